// The emulator's runtime: runs the blocks of a launch, each thread of a block as a fiber. driver.cc puts the CUDA
// driver's functions on top. Everything here is inside one library and hidden; only the cu* functions are exported.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <string>
#include <vector>

#include "../include/emu.cuh"

namespace tg {

// Kernel is one TG_KERNEL of the linked .cu files.
struct Kernel {
  std::string name;
  Body body;
  int threads;
  size_t bytes;  // of its argument struct
  std::string file;
};

// findKernel returns the kernel of that name, or nothing.
const Kernel *findKernel(const std::string &name);

// Work is one launch: a grid of blocks of one kernel.
struct Work {
  const Kernel *kernel;
  dim3 grid, block;
  size_t shared;                         // bytes of dynamic shared memory
  std::vector<unsigned char> arguments;  // its struct
  uint64_t seed, number;                 // of the context, and which launch of it this is: the order of threads
  int sm;                                // the card's compute capability
};

// run runs all blocks of the work and returns an empty string, or what went wrong, in one line. One work runs at a
// time.
std::string run(const Work &work);

// Settings come from the environment when a context is made.
struct Settings {
  uint64_t seed;       // TG_EMU_SEED: the order of blocks, warps, lanes and late copies
  int sm;              // TG_EMU_SM: 75, 80 or 90
  int devices;         // TG_EMU_DEVICES
  uint64_t memory;     // TG_EMU_MEMORY: bytes a device
  int64_t failAfter;   // TG_EMU_FAIL_AFTER: launches that succeed before every one fails; negative: never
  bool lazy;           // TG_EMU_LAZY: enqueued work waits until somebody synchronises
};
Settings settings();

// hostThreads is TG_EMU_THREADS: how many host threads run blocks.
int hostThreads();

// Random is a small generator of the order of things; no number of a kernel depends on it.
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
  }
  uint32_t below(uint32_t n) { return (uint32_t)((uint64_t)(uint32_t)next() * n >> 32); }
};

// Device memory.
void *allocate(size_t bytes);  // nothing where the host has none
size_t release(void *start);   // the bytes that it had; 0 where start is no allocation
std::string damage();          // what was written outside an allocation, found at its release; empty where nothing was
size_t allocationOf(const void *address, const void **start);  // bytes and start of the allocation; 0 where none is
std::string describe(const void *address);  // for messages: "4 bytes after the allocation of 1024 bytes at 0x7f..."

// Shared memory of the block that this host thread runs.
bool inShared(const void *address, size_t bytes);

}  // namespace tg
