// Who has read and written a piece of shared memory: races.cc.
#pragma once

#include "block.h"

namespace tg {

constexpr int kManyLanes = -1, kManyWarps = -2;

// Mark is an access: whose, and how many barriers and __syncwarps its thread had passed.
struct Mark {
  int16_t thread, warp;
  uint32_t block, inWarp;
};

struct Access {
  Mark writer, reader;
};

// Where is a place in the source: an instruction's, or a word's.
struct Where {
  uintptr_t instruction;
  Site site;
};

// noteAccess judges an access of a thread. It is cheap where the address is not one of shared memory.
void noteAccess(Thread *t, const void *address, size_t bytes, bool writes, Where where);

}  // namespace tg
