// A tape is a list of records, each a header of 64 bytes followed by its arguments, all aligned to 64 bytes.
#ifndef TG_TAPE_H
#define TG_TAPE_H

#include <stdint.h>

enum tg_kind {
  TG_LAUNCH,  // arguments: the kernel's struct
  TG_ALLOW,   // let function use up to `shared` bytes of dynamic shared memory
  TG_ZERO,    // `width` bytes at dst become zeros
  TG_COPY,    // rows x width bytes from src to dst; between two places of the device, one row
  TG_MARK,    // record the event `function`
};

// Sides of a copy, as cuMemcpy2D numbers them.
enum tg_side { TG_HOST = 1, TG_DEVICE = 2 };

struct tg_record {
  uint32_t kind, bytes;  // bytes: the whole record
  union {
    struct {
      uint64_t function;
      uint32_t grid[3], block, shared;
    } launch;
    struct {
      uint64_t dst, src, dst_pitch, src_pitch, width, rows;
      uint32_t dst_side, src_side;
    } move;
  };
};

// tg_replay enqueues the records of a tape on a stream and stops at the first that fails. It returns the driver's
// result and sets *failed to that record's place in the tape, counted in bytes.
int tg_replay(const void *tape, uint64_t bytes, uint64_t stream, uint64_t *failed);

#endif
