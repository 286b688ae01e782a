// What the driver's entry points share.
#pragma once

#include "driver.h"

#define TG_CALL extern "C" __attribute__((visibility("default"))) CUresult

// TG_ENTER begins a call that needs a context: the thread's own, locked, and not broken.
#define TG_ENTER(c)                                                        \
  CUcontext c = ::tg::currentContext;                                      \
  if (c == nullptr) return CUDA_ERROR_INVALID_CONTEXT;                     \
  std::lock_guard<std::recursive_mutex> locked(c->mutex);                  \
  if (c->broken != CUDA_SUCCESS) return c->broken

namespace tg {

extern thread_local CUcontext currentContext;

inline CUstream streamOf(CUcontext c, CUstream handle) { return handle != nullptr ? handle : &c->standard; }

}  // namespace tg
