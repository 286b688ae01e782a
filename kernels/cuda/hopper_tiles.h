// The sizes that the kernels of hopper_tiles.cuh and their launchers share.
#ifndef TG_HOPPER_TILES_H
#define TG_HOPPER_TILES_H

#include "args.h"
#include "tensormap.h"

enum {
  TG_HOPPER_ROWS = 128,  // of a tile of results
  TG_HOPPER_INNER = 64,  // inner numbers of a stage: 128 bytes, the widest swizzle
  TG_HOPPER_STAGES = 4,

  // Bytes of dynamic shared memory of a block whose tiles have so many columns: stages, strips, places, barriers.
  TG_HOPPER_SHARED_256 = TG_HOPPER_STAGES * (128 + 256) * 128 + 8 * 16 * 40 * 4 + 8 * 16 * 8 + 2 * TG_HOPPER_STAGES * 8,
  TG_HOPPER_SHARED_128 = TG_HOPPER_STAGES * (128 + 128) * 128 + 8 * 16 * 40 * 4 + 8 * 16 * 8 + 2 * TG_HOPPER_STAGES * 8,
};

#endif
