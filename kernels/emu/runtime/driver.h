// The state behind the driver's handles: devices, their contexts, streams of work that has not run yet, events and
// graphs.
#pragma once

#include <cuda.h>

#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime.h"

// Op is one piece of work in a stream. It runs when somebody waits for it, or when too many wait.
struct Op {
  std::function<std::string()> work;  // returns what went wrong
  CUstream stream;
  std::vector<std::shared_ptr<Op>> after;  // work of other streams that comes first
  bool done = false;
};

struct CUgraph_st {
  std::vector<std::function<std::string()>> nodes;
};

struct CUgraphExec_st {
  std::vector<std::function<std::string()>> nodes;
};

struct CUevent_st {
  std::shared_ptr<Op> op;  // of the last record
  double milliseconds = 0;
};

struct CUstream_st {
  CUcontext context;
  bool blocking;  // waits for the default stream, which waits for it
  unsigned flags;
  std::deque<std::shared_ptr<Op>> queue;
  CUgraph capture = nullptr;
};

struct CUfunc_st {
  const tg::Kernel *kernel;
  int sharedAllowed;
};

struct CUmod_st {
  std::vector<std::unique_ptr<CUfunc_st>> functions;
};

struct CUctx_st {
  int device;
  tg::Settings settings;
  std::recursive_mutex mutex;
  CUstream_st standard;  // the default stream
  std::set<CUstream> streams;
  CUresult broken = CUDA_SUCCESS;  // the first failure of the device: everything returns it from then on
  uint64_t launches = 0;
  uint64_t used = 0;
  std::set<void *> allocations;
  int users = 0;
  CUctx_st(int device, tg::Settings s) : device(device), settings(s), standard{this, true, 0, {}, nullptr} {}
};

namespace tg {

// enqueue adds work to a stream, or to the graph that the stream captures.
CUresult enqueue(CUstream stream, std::function<std::string()> work);

// mark adds an empty piece of work that a later wait can name.
std::shared_ptr<Op> mark(CUstream stream, std::function<std::string()> work);

// finish runs the stream's work up to and including op; all of it where op is none.
void finish(CUstream stream, const std::shared_ptr<Op> &op);

// finishAll runs the work of all streams of a context, or of the default stream and those it waits for.
void finishAll(CUcontext context);
void finishBlocking(CUcontext context);

// advance runs one piece of the stream's work.
void advance(CUstream stream);

// refuse prints why a call is refused and returns result.
CUresult refuse(CUresult result, const char *format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace tg
