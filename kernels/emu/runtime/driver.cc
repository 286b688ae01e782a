// The driver's entry points, apart from those that move memory (transfer.cc).
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>

#include <chrono>
#include <map>

#include "calls.h"

using tg::refuse;

namespace tg {

thread_local CUcontext currentContext;

CUresult refuse(CUresult result, const char *format, ...) {
  char line[512];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  fprintf(stderr, "emulator: %s\n", line);
  return result;
}

// Devices keeps the primary context of each device while somebody has retained it.
struct Devices {
  std::mutex mutex;
  bool started = false;
  std::map<int, CUcontext> contexts;
};

static Devices &devices() {
  static Devices *d = new Devices;
  return *d;
}

static bool exists(CUdevice device) { return device >= 0 && device < settings().devices; }

struct Text {
  CUresult result;
  const char *name, *text;
};

static const Text texts[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
};

static const Text *textOf(CUresult result) {
  for (const Text &t : texts) {
    if (t.result == result) return &t;
  }
  return nullptr;
}

// Facts of the emulated card, by compute capability.
static int sharedOptIn(int sm) { return sm >= 90 ? 227 << 10 : sm >= 80 ? 163 << 10 : 64 << 10; }

static int attribute(CUdevice_attribute which, int sm) {
  switch ((int)which) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 64 << 10;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1000000;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 4;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return sm == 75 ? 1024 : 2048;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 1;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return sm / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return sm % 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return sharedOptIn(sm) + 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return sharedOptIn(sm);
  }
  return 0;
}

static double milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

// misfit says why a launch is refused, or nothing.
static CUresult misfit(const CUfunc_st *f, dim3 grid, dim3 block, unsigned shared, int sm) {
  const Kernel &k = *f->kernel;
  const char *name = k.name.c_str();
  const uint64_t threads = (uint64_t)block.x * block.y * block.z;
  if (threads != (uint64_t)k.threads) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s is launched with %llu threads a block and made for %d", name,
                  (unsigned long long)threads, k.threads);
  }
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s is launched with a grid of (%u,%u,%u) blocks", name, grid.x,
                  grid.y, grid.z);
  }
  if ((int)shared > f->sharedAllowed || (int)shared > sharedOptIn(sm)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s is launched with %u bytes of shared memory and allowed %d", name,
                  shared, f->sharedAllowed);
  }
  return CUDA_SUCCESS;
}

// argumentBytes reads the `extra` form of arguments: one buffer and its size.
static bool fromExtra(void **extra, const void **buffer, size_t *bytes) {
  *buffer = nullptr;
  *bytes = 0;
  for (; *extra != nullptr; extra += 2) {
    if (*extra == (void *)1) *buffer = extra[1];
    if (*extra == (void *)2) *bytes = *(size_t *)extra[1];
  }
  return *buffer != nullptr;
}

static CUresult launchKernel(CUcontext c, const CUfunc_st *f, dim3 grid, dim3 block, unsigned shared, CUstream stream,
                             void **params, void **extra) {
  const CUresult refused = misfit(f, grid, block, shared, c->settings.sm);
  if (refused != CUDA_SUCCESS) return refused;
  const Kernel *k = f->kernel;
  const void *arguments = params != nullptr ? params[0] : nullptr;
  size_t bytes = k->bytes;
  if (extra != nullptr && !fromExtra(extra, &arguments, &bytes)) arguments = nullptr;
  if (arguments == nullptr || bytes != k->bytes) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s is launched with %zu bytes of arguments and takes %zu",
                  k->name.c_str(), arguments == nullptr ? 0 : bytes, k->bytes);
  }
  Work work = {k, grid, block, shared, {}, c->settings.seed, 0, c->settings.sm};
  work.arguments.assign((const unsigned char *)arguments, (const unsigned char *)arguments + bytes);
  return enqueue(stream, [c, work]() mutable {
    if (c->settings.failAfter >= 0 && c->launches >= (uint64_t)c->settings.failAfter) {
      return "kernel " + work.kernel->name + ": the device fails after TG_EMU_FAIL_AFTER launches";
    }
    work.number = c->launches++;
    return run(work);
  });
}

}  // namespace tg

using namespace tg;

// Start and errors.

TG_CALL cuDriverGetVersion(int *version) {
  *version = 13000;
  return CUDA_SUCCESS;
}

TG_CALL cuInit(unsigned) {
  Devices &d = devices();
  std::lock_guard<std::mutex> lock(d.mutex);
  d.started = true;
  return settings().devices > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

TG_CALL cuGetErrorName(CUresult result, const char **name) {
  const Text *t = textOf(result);
  *name = t != nullptr ? t->name : nullptr;
  return t != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

TG_CALL cuGetErrorString(CUresult result, const char **text) {
  const Text *t = textOf(result);
  *text = t != nullptr ? t->text : nullptr;
  return t != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Devices.

TG_CALL cuDeviceGetCount(int *count) {
  *count = settings().devices;
  return CUDA_SUCCESS;
}

TG_CALL cuDeviceGet(CUdevice *device, int ordinal) {
  if (!exists(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

TG_CALL cuDeviceGetName(char *name, int length, CUdevice device) {
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(name, length, "Emulated");
  return CUDA_SUCCESS;
}

TG_CALL cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice device) {
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  *value = attribute(which, settings().sm);
  return CUDA_SUCCESS;
}

TG_CALL cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  memset(uuid->bytes, device, sizeof uuid->bytes);
  return CUDA_SUCCESS;
}

TG_CALL cuDeviceTotalMem(size_t *bytes, CUdevice device) {
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = settings().memory;
  return CUDA_SUCCESS;
}

// Contexts.

TG_CALL cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  Devices &d = devices();
  std::lock_guard<std::mutex> lock(d.mutex);
  if (!d.started) return CUDA_ERROR_NOT_INITIALIZED;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  CUcontext &c = d.contexts[device];
  if (c == nullptr) c = new CUctx_st(device, settings());
  c->users++;
  *context = c;
  return CUDA_SUCCESS;
}

// A context that nobody retains any more loses its memory and is forgotten, but not destroyed: other threads may
// still have it as their own.
TG_CALL cuDevicePrimaryCtxRelease(CUdevice device) {
  Devices &d = devices();
  std::lock_guard<std::mutex> lock(d.mutex);
  const auto found = d.contexts.find(device);
  if (found == d.contexts.end()) return CUDA_ERROR_INVALID_CONTEXT;
  CUcontext c = found->second;
  if (--c->users > 0) return CUDA_SUCCESS;
  d.contexts.erase(found);
  std::lock_guard<std::recursive_mutex> inside(c->mutex);
  finishAll(c);
  for (void *p : c->allocations) release(p);
  c->allocations.clear();
  return CUDA_SUCCESS;
}

TG_CALL cuCtxSetCurrent(CUcontext context) {
  currentContext = context;
  return CUDA_SUCCESS;
}

TG_CALL cuCtxGetCurrent(CUcontext *context) {
  *context = currentContext;
  return CUDA_SUCCESS;
}

TG_CALL cuCtxGetDevice(CUdevice *device) {
  if (currentContext == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  *device = currentContext->device;
  return CUDA_SUCCESS;
}

TG_CALL cuCtxSynchronize() {
  TG_ENTER(c);
  finishAll(c);
  return c->broken;
}

// Modules: every module has all kernels of the library, whatever its image says.

TG_CALL cuModuleLoadData(CUmodule *module, const void *image) {
  TG_ENTER(c);
  if (image == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *module = new CUmod_st;
  return CUDA_SUCCESS;
}

TG_CALL cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, CUjit_option *, void **) {
  return cuModuleLoadData(module, image);
}

TG_CALL cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  TG_ENTER(c);
  const Kernel *k = findKernel(name);
  if (k == nullptr) return CUDA_ERROR_NOT_FOUND;
  module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{k, 48 << 10}));
  *function = module->functions.back().get();
  return CUDA_SUCCESS;
}

TG_CALL cuModuleUnload(CUmodule module) {
  TG_ENTER(c);
  finishAll(c);
  delete module;
  return c->broken;
}

// Functions.

TG_CALL cuFuncSetAttribute(CUfunction function, CUfunction_attribute which, int value) {
  TG_ENTER(c);
  if (which != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
  if (value > sharedOptIn(c->settings.sm)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s wants %d bytes of dynamic shared memory: the card has %d",
                  function->kernel->name.c_str(), value, sharedOptIn(c->settings.sm));
  }
  function->sharedAllowed = value;
  return CUDA_SUCCESS;
}

TG_CALL cuFuncGetAttribute(int *value, CUfunction_attribute which, CUfunction function) {
  TG_ENTER(c);
  *value = 0;
  if (which == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK) *value = function->kernel->threads;
  if (which == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) *value = function->sharedAllowed;
  if (which == CU_FUNC_ATTRIBUTE_BINARY_VERSION) *value = c->settings.sm;
  return CUDA_SUCCESS;
}

TG_CALL cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                       unsigned blockY, unsigned blockZ, unsigned shared, CUstream handle, void **params,
                       void **extra) {
  TG_ENTER(c);
  return launchKernel(c, function, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, shared, streamOf(c, handle), params,
                      extra);
}

// Streams.

TG_CALL cuStreamCreate(CUstream *stream, unsigned flags) {
  TG_ENTER(c);
  *stream = new CUstream_st{c, (flags & CU_STREAM_NON_BLOCKING) == 0, flags, {}, nullptr};
  c->streams.insert(*stream);
  return CUDA_SUCCESS;
}

TG_CALL cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

TG_CALL cuStreamDestroy(CUstream stream) {
  TG_ENTER(c);
  if (c->streams.erase(stream) == 0) return CUDA_ERROR_INVALID_HANDLE;
  finish(stream, nullptr);
  delete stream;
  return c->broken;
}

TG_CALL cuStreamSynchronize(CUstream handle) {
  TG_ENTER(c);
  CUstream stream = streamOf(c, handle);
  if (stream->capture != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream == &c->standard) finishBlocking(c);
  finish(stream, nullptr);
  return c->broken;
}

TG_CALL cuStreamQuery(CUstream handle) {
  TG_ENTER(c);
  CUstream stream = streamOf(c, handle);
  if (!stream->queue.empty()) advance(stream);
  if (c->broken != CUDA_SUCCESS) return c->broken;
  return stream->queue.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

TG_CALL cuStreamGetFlags(CUstream handle, unsigned *flags) {
  TG_ENTER(c);
  *flags = streamOf(c, handle)->flags;
  return CUDA_SUCCESS;
}

TG_CALL cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  TG_ENTER(c);
  CUstream stream = streamOf(c, handle);
  if (event->op == nullptr || event->op->done || stream->capture != nullptr) return CUDA_SUCCESS;
  mark(stream, [] { return std::string(); })->after.push_back(event->op);
  return CUDA_SUCCESS;
}

// Events.

TG_CALL cuEventCreate(CUevent *event, unsigned) {
  TG_ENTER(c);
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}

TG_CALL cuEventDestroy(CUevent event) {
  TG_ENTER(c);
  if (event->op != nullptr) finish(event->op->stream, event->op);
  delete event;
  return CUDA_SUCCESS;
}

TG_CALL cuEventRecord(CUevent event, CUstream handle) {
  TG_ENTER(c);
  CUstream stream = streamOf(c, handle);
  if (stream->capture != nullptr) return CUDA_SUCCESS;
  event->op = mark(stream, [event] {
    event->milliseconds = milliseconds();
    return std::string();
  });
  return CUDA_SUCCESS;
}

TG_CALL cuEventSynchronize(CUevent event) {
  TG_ENTER(c);
  if (event->op != nullptr && !event->op->done) finish(event->op->stream, event->op);
  return c->broken;
}

TG_CALL cuEventQuery(CUevent event) {
  TG_ENTER(c);
  if (event->op != nullptr && !event->op->done) advance(event->op->stream);
  if (c->broken != CUDA_SUCCESS) return c->broken;
  return event->op == nullptr || event->op->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

TG_CALL cuEventElapsedTime(float *elapsed, CUevent start, CUevent end) {
  TG_ENTER(c);
  if (start->op == nullptr || end->op == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (!start->op->done || !end->op->done) return CUDA_ERROR_NOT_READY;
  *elapsed = (float)(end->milliseconds - start->milliseconds);
  return CUDA_SUCCESS;
}

// Graphs: what a stream captures is a list of work that a launch enqueues again.

TG_CALL cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode) {
  TG_ENTER(c);
  CUstream stream = streamOf(c, handle);
  if (stream == &c->standard || stream->capture != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  stream->capture = new CUgraph_st;
  return CUDA_SUCCESS;
}

TG_CALL cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  TG_ENTER(c);
  CUstream stream = streamOf(c, handle);
  *graph = stream->capture;
  stream->capture = nullptr;
  return *graph != nullptr ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}

TG_CALL cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  TG_ENTER(c);
  *status = streamOf(c, handle)->capture != nullptr ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

TG_CALL cuGraphInstantiateWithFlags(CUgraphExec *made, CUgraph graph, unsigned long long) {
  TG_ENTER(c);
  *made = new CUgraphExec_st{graph->nodes};
  return CUDA_SUCCESS;
}

TG_CALL cuGraphLaunch(CUgraphExec graph, CUstream handle) {
  TG_ENTER(c);
  for (const auto &node : graph->nodes) {
    const CUresult result = enqueue(streamOf(c, handle), node);
    if (result != CUDA_SUCCESS) return result;
  }
  return CUDA_SUCCESS;
}

TG_CALL cuGraphDestroy(CUgraph graph) {
  delete graph;
  return CUDA_SUCCESS;
}

TG_CALL cuGraphExecDestroy(CUgraphExec graph) {
  delete graph;
  return CUDA_SUCCESS;
}
