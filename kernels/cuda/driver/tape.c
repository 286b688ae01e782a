//go:build cuda && cgo

#include "tape.h"

#include <cuda.h>

static CUresult launch(const struct tg_record *r, CUstream stream) {
  void *arguments[] = {(void *)(r + 1)};
  return cuLaunchKernel((CUfunction)r->launch.function, r->launch.grid[0], r->launch.grid[1], r->launch.grid[2],
      r->launch.block, 1, 1, r->launch.shared, stream, arguments, 0);
}

static CUresult allow(const struct tg_record *r) {
  return cuFuncSetAttribute(
      (CUfunction)r->launch.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)r->launch.shared);
}

// Host rows are dense, device rows may be strided.
static CUresult copy_rows(const struct tg_record *r, CUstream stream) {
  CUDA_MEMCPY2D c = {
      .srcMemoryType = r->move.src_side, .srcHost = (void *)r->move.src, .srcDevice = r->move.src,
      .srcPitch = r->move.src_pitch, .dstMemoryType = r->move.dst_side, .dstHost = (void *)r->move.dst,
      .dstDevice = r->move.dst, .dstPitch = r->move.dst_pitch, .WidthInBytes = r->move.width, .Height = r->move.rows,
  };
  return cuMemcpy2DAsync(&c, stream);
}

static CUresult copy(const struct tg_record *r, CUstream stream) {
  if (r->move.rows > 1) {
    return copy_rows(r, stream);
  }
  if (r->move.src_side == TG_HOST) {
    return cuMemcpyHtoDAsync(r->move.dst, (void *)r->move.src, r->move.width, stream);
  }
  if (r->move.dst_side == TG_HOST) {
    return cuMemcpyDtoHAsync((void *)r->move.dst, r->move.src, r->move.width, stream);
  }
  return cuMemcpyDtoDAsync(r->move.dst, r->move.src, r->move.width, stream);
}

static CUresult perform(const struct tg_record *r, CUstream stream) {
  switch (r->kind) {
    case TG_LAUNCH: return launch(r, stream);
    case TG_ALLOW: return allow(r);
    case TG_ZERO: return cuMemsetD32Async(r->move.dst, 0, r->move.width / 4, stream);
    case TG_COPY: return copy(r, stream);
    case TG_MARK: return cuEventRecord((CUevent)r->launch.function, stream);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

int tg_replay(const void *tape, uint64_t bytes, uint64_t stream, uint64_t *failed) {
  for (uint64_t at = 0; at < bytes;) {
    const struct tg_record *r = (const struct tg_record *)((const char *)tape + at);
    CUresult result = perform(r, (CUstream)stream);
    if (result != CUDA_SUCCESS) {
      *failed = at;
      return result;
    }
    at += r->bytes;
  }
  return CUDA_SUCCESS;
}

_Static_assert(sizeof(struct tg_record) == 64, "arguments begin at 64 bytes");
