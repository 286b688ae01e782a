// Who has read and written a piece of shared memory: races.cc.
#pragma once

#include "block.h"

namespace tg {

constexpr int kManyLanes = -1, kManyWarps = -2, kNobody = -3, kManyBlocks = -4;

// Mark is an access: whose, and how many barriers and __syncwarps its thread had passed.
struct Mark {
  int16_t thread, warp;
  uint32_t block, inWarp;
};

struct Access {
  Mark writer, reader;
};

// Cell is four bytes of global memory in one launch, and the blocks that have accessed them.
struct Cell {
  uintptr_t address = 0;  // divided by 4
  uint32_t launch = 0;    // that the rest is of; an older one says that the cell is free
  int32_t writer = kNobody, reader = kNobody;
  Access access = {};  // of the writer's and the reader's threads
};

// Cells is a hash table of them. Every launch starts with an empty one, because the cells of others count as free.
struct Cells {
  std::vector<Cell> table{1 << 16};
  size_t used = 0;
  uint32_t launch = 0;
};

// Where is a place in the source: an instruction's, or a word's.
struct Where {
  uintptr_t instruction;
  Site site;
};

// noteAccess judges an access of a thread. It is cheap where the address is not one of shared memory.
void noteAccess(Thread *t, const void *address, size_t bytes, bool writes, Where where);

}  // namespace tg
