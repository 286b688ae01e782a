// A block's state of hopper.cuh's engines.
#pragma once

#include "../include/emu_hopper.cuh"
#include "block.h"

namespace tg {

// Counter is one mbarrier. Its 8 bytes of shared memory hold a tag and its number here, so that a barrier that was
// never begun, or was overwritten, is known.
struct Counter {
  mbarrier *place;
  int arrivals;           // of a phase
  int missing;            // of this phase
  int64_t missingBytes;
  unsigned phase;
  std::vector<Thread *> waiting;
};

// Store is a bulk copy to global memory that has not read its shared memory yet.
struct Store {
  std::function<void()> happens;
  int commit;  // the number of commits before it
};

// Engine is what one thread has asked of the engines.
struct Engine {
  std::vector<Product> products;
  int commits = 0;
  bool fenced = false;
  std::vector<Store> stores;
  int storeCommits = 0;
};

// Warpgroup is where 128 threads wait for their products.
struct Warpgroup {
  int arrived = 0, pending = 0;
  int registers = 0;  // a thread, once it has said so
  Site site;
};

// Sums are one warpgroup's accumulators.
struct Sums {
  float v[64][256];
};

struct Hopper {
  float left[64][16], right[16][256];  // of the product that is computed: a fiber's stack is small
  Sums sums;
  std::vector<Counter> counters;
  bool begun = false, asyncFence = false;  // the block has called these
  Engine engines[kMaxThreads];
  Warpgroup groups[kMaxThreads / 128];
};

}  // namespace tg
