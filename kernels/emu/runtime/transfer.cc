// Memory: allocations, copies and fills. An asynchronous copy reads and writes pinned host memory when it runs and
// not when it is asked for. Ordinary host memory is copied at the call, as the driver does, because the caller may
// reuse it at once.
#include <map>

#include "calls.h"

using namespace tg;

namespace {

// Pinned is the host memory that cuMemHostAlloc gave out.
struct Pinned {
  std::mutex mutex;
  std::map<const char *, size_t> live;
};

Pinned &pinned() {
  static Pinned *p = new Pinned;
  return *p;
}

bool isPinned(const void *address) {
  Pinned &p = pinned();
  std::lock_guard<std::mutex> lock(p.mutex);
  auto after = p.live.upper_bound((const char *)address);
  return after != p.live.begin() && (const char *)address < std::prev(after)->first + std::prev(after)->second;
}

// Rows is one end of a copy: height rows of width bytes.
struct Rows {
  char *start;
  size_t pitch;
  bool host;
};

size_t extent(const Rows &r, size_t width, size_t height) { return (height - 1) * r.pitch + width; }

bool inDevice(const Rows &r, size_t width, size_t height) {
  const void *start;
  const size_t bytes = allocationOf(r.start, &start);
  return bytes >= (size_t)(r.start - (const char *)start) + extent(r, width, height);
}

void copyRows(Rows dst, Rows src, size_t width, size_t height) {
  for (size_t row = 0; row < height; row++) memmove(dst.start + row * dst.pitch, src.start + row * src.pitch, width);
}

CUresult check(const Rows &r, size_t width, size_t height) {
  if (r.pitch < width && height > 1) return refuse(CUDA_ERROR_INVALID_VALUE, "a copy of rows that overlap");
  if (r.host || inDevice(r, width, height)) return CUDA_SUCCESS;
  return refuse(CUDA_ERROR_INVALID_VALUE, "a copy or fill of %zu bytes at %p, which is %s", extent(r, width, height),
                (void *)r.start, describe(r.start + extent(r, width, height) - 1).c_str());
}

// snapshot enqueues a copy from ordinary host memory, with the bytes that it has now.
CUresult snapshot(CUstream stream, Rows dst, Rows src, size_t width, size_t height) {
  auto bytes = std::make_shared<std::string>(width * height, 0);
  copyRows({&(*bytes)[0], width, true}, src, width, height);
  return enqueue(stream, [=] {
    copyRows(dst, {&(*bytes)[0], width, true}, width, height);
    return std::string();
  });
}

CUresult copyAsync(CUcontext c, CUstream stream, Rows dst, Rows src, size_t width, size_t height) {
  if (width == 0 || height == 0) return CUDA_SUCCESS;
  for (const Rows &r : {dst, src}) {
    const CUresult wrong = check(r, width, height);
    if (wrong != CUDA_SUCCESS) return wrong;
  }
  if (src.host && !isPinned(src.start)) return snapshot(stream, dst, src, width, height);
  const bool early = dst.host && isPinned(dst.start);
  if (early) {  // whoever reads before the copy has run finds NaN
    for (size_t row = 0; row < height; row++) memset(dst.start + row * dst.pitch, 0xff, width);
  }
  const CUresult result = enqueue(stream, [=] {
    copyRows(dst, src, width, height);
    return std::string();
  });
  if (dst.host && !early && stream->capture == nullptr) {
    finish(stream, nullptr);
    return c->broken;
  }
  return result;
}

CUresult copyNow(CUcontext c, Rows dst, Rows src, size_t bytes) {
  finishBlocking(c);
  const CUresult result = copyAsync(c, &c->standard, dst, src, bytes, 1);
  if (result != CUDA_SUCCESS) return result;
  finishBlocking(c);
  return c->broken;
}

Rows device(CUdeviceptr p) { return {(char *)p, 0, false}; }
Rows host(const void *p) { return {(char *)p, 0, true}; }

template <typename T>
CUresult fill(CUstream stream, CUdeviceptr p, size_t pitch, T value, size_t width, size_t height) {
  if (width == 0 || height == 0) return CUDA_SUCCESS;
  const Rows rows = {(char *)p, pitch, false};
  if (p % sizeof(T) != 0) return refuse(CUDA_ERROR_INVALID_VALUE, "a fill at an address that its values do not divide");
  const CUresult wrong = check(rows, width * sizeof(T), height);
  if (wrong != CUDA_SUCCESS) return wrong;
  return enqueue(stream, [=] {
    for (size_t row = 0; row < height; row++) {
      T *at = (T *)(rows.start + row * pitch);
      for (size_t i = 0; i < width; i++) at[i] = value;
    }
    return std::string();
  });
}

Rows side(CUmemorytype type, const void *hostAddress, CUdeviceptr p, size_t pitch, size_t x, size_t y) {
  const bool isHost = type == CU_MEMORYTYPE_HOST;
  return {(isHost ? (char *)hostAddress : (char *)p) + y * pitch + x, pitch, isHost};
}

CUresult copy2D(CUcontext c, const CUDA_MEMCPY2D *m, CUstream stream) {
  const Rows dst = side(m->dstMemoryType, m->dstHost, m->dstDevice, m->dstPitch, m->dstXInBytes, m->dstY);
  const Rows src = side(m->srcMemoryType, m->srcHost, m->srcDevice, m->srcPitch, m->srcXInBytes, m->srcY);
  return copyAsync(c, stream, dst, src, m->WidthInBytes, m->Height);
}

}  // namespace

// Allocations.

TG_CALL cuMemAlloc(CUdeviceptr *address, size_t bytes) {
  TG_ENTER(c);
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (bytes > c->settings.memory - c->used) return CUDA_ERROR_OUT_OF_MEMORY;
  void *p = allocate(bytes);
  if (p == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  c->used += bytes;
  c->allocations.insert(p);
  *address = (CUdeviceptr)p;
  return CUDA_SUCCESS;
}

TG_CALL cuMemFree(CUdeviceptr address) {
  TG_ENTER(c);
  if (address == 0) return CUDA_SUCCESS;
  finishAll(c);
  const size_t bytes = release((void *)address);
  if (bytes == 0) return refuse(CUDA_ERROR_INVALID_VALUE, "free of %#llx, which is no allocation", address);
  c->used -= bytes;
  c->allocations.erase((void *)address);
  const std::string wrong = damage();
  if (!wrong.empty()) c->broken = refuse(CUDA_ERROR_LAUNCH_FAILED, "%s", wrong.c_str());
  return c->broken;
}

TG_CALL cuMemGetInfo(size_t *free, size_t *total) {
  TG_ENTER(c);
  *total = c->settings.memory;
  *free = c->settings.memory - c->used;
  return CUDA_SUCCESS;
}

TG_CALL cuMemGetAddressRange(CUdeviceptr *start, size_t *bytes, CUdeviceptr address) {
  TG_ENTER(c);
  const void *first;
  const size_t n = allocationOf((const void *)address, &first);
  if (n == 0) return CUDA_ERROR_NOT_FOUND;
  *start = (CUdeviceptr)first;
  *bytes = n;
  return CUDA_SUCCESS;
}

TG_CALL cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  TG_ENTER(c);
  if (posix_memalign(address, 4096, bytes) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(*address, 0xff, bytes);
  Pinned &p = pinned();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.live[(const char *)*address] = bytes;
  return CUDA_SUCCESS;
}

TG_CALL cuMemFreeHost(void *address) {
  TG_ENTER(c);
  finishAll(c);
  Pinned &p = pinned();
  std::lock_guard<std::mutex> lock(p.mutex);
  if (p.live.erase((const char *)address) == 0) return CUDA_ERROR_INVALID_VALUE;
  free(address);
  return CUDA_SUCCESS;
}

// Copies.

TG_CALL cuMemcpyHtoD(CUdeviceptr dst, const void *src, size_t bytes) {
  TG_ENTER(c);
  return copyNow(c, device(dst), host(src), bytes);
}

TG_CALL cuMemcpyDtoH(void *dst, CUdeviceptr src, size_t bytes) {
  TG_ENTER(c);
  return copyNow(c, host(dst), device(src), bytes);
}

TG_CALL cuMemcpyDtoD(CUdeviceptr dst, CUdeviceptr src, size_t bytes) {
  TG_ENTER(c);
  return copyNow(c, device(dst), device(src), bytes);
}

TG_CALL cuMemcpyHtoDAsync(CUdeviceptr dst, const void *src, size_t bytes, CUstream stream) {
  TG_ENTER(c);
  return copyAsync(c, streamOf(c, stream), device(dst), host(src), bytes, 1);
}

TG_CALL cuMemcpyDtoHAsync(void *dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  TG_ENTER(c);
  return copyAsync(c, streamOf(c, stream), host(dst), device(src), bytes, 1);
}

TG_CALL cuMemcpyDtoDAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  TG_ENTER(c);
  return copyAsync(c, streamOf(c, stream), device(dst), device(src), bytes, 1);
}

TG_CALL cuMemcpy2D(const CUDA_MEMCPY2D *m) {
  TG_ENTER(c);
  finishBlocking(c);
  const CUresult result = copy2D(c, m, &c->standard);
  if (result != CUDA_SUCCESS) return result;
  finishBlocking(c);
  return c->broken;
}

TG_CALL cuMemcpy2DAsync(const CUDA_MEMCPY2D *m, CUstream stream) {
  TG_ENTER(c);
  return copy2D(c, m, streamOf(c, stream));
}

// Fills.

TG_CALL cuMemsetD8(CUdeviceptr p, unsigned char value, size_t n) {
  TG_ENTER(c);
  return fill(&c->standard, p, 0, value, n, 1);
}

TG_CALL cuMemsetD32(CUdeviceptr p, unsigned value, size_t n) {
  TG_ENTER(c);
  return fill(&c->standard, p, 0, value, n, 1);
}

TG_CALL cuMemsetD8Async(CUdeviceptr p, unsigned char value, size_t n, CUstream stream) {
  TG_ENTER(c);
  return fill(streamOf(c, stream), p, 0, value, n, 1);
}

TG_CALL cuMemsetD32Async(CUdeviceptr p, unsigned value, size_t n, CUstream stream) {
  TG_ENTER(c);
  return fill(streamOf(c, stream), p, 0, value, n, 1);
}

TG_CALL cuMemsetD2D32Async(CUdeviceptr p, size_t pitch, unsigned value, size_t width, size_t height, CUstream stream) {
  TG_ENTER(c);
  return fill(streamOf(c, stream), p, pitch, value, width, height);
}
