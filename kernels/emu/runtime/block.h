// One block at a time: its threads, warps and barriers, and the host thread that runs them.
#pragma once

#include <map>

#include "runtime.h"

namespace tg {

constexpr int kMaxThreads = 1024;
constexpr int kMaxBarriers = 16;

constexpr size_t kSharedBytes = 256 << 10;  // room for dynamic shared memory
constexpr size_t kGuard = 4096;  // at the bottom of a slot: no access

enum State : uint8_t { kFresh, kReady, kWaiting, kExited };

struct Warp;

// Thread is one CUDA thread.
struct Thread : Place {
  void *top;       // its saved stack while it does not run
  char *stack;     // the slot it holds; none before it starts and after it ends
  struct Runner *runner;
  Warp *warp;
  int number;      // in the block
  uint32_t blockEpoch, warpEpoch;  // barriers and __syncwarps passed, for races.cc
  State state;
  Site site;       // where it waits
  const char *wait;  // for what
  int detail;      // the barrier's number
};

// Warp is 32 threads and what they exchange. Two sets of values in turn: a lane that has gone on to the next exchange
// cannot overwrite what a slower lane has yet to read of this one.
struct Warp {
  uint64_t values[2][32];
  void *operands[32];
  unsigned generation;
  int arrived;
  const char *what;  // of the exchange under way
  Site site;
  Thread *lanes;
};

struct Barrier {
  int arrived, expected;
  Site site;
  Thread *waiting[kMaxThreads];
};

// Late is something that the block has asked for and that has not happened yet: a bulk copy, for example.
typedef std::function<void()> Late;

// Habit is which lines of static shared memory a kernel writes.
struct Habit {
  unsigned launches = 0;
  std::vector<size_t> lines;
};

// Runner is one host thread's state; its fibers reach it through their thread.
struct Runner {
  const Work *work;
  const Launch *launch;
  uint3 block;
  Random random{0};
  Thread *threads;
  Warp *warps;
  Barrier *barriers;
  Thread **ready;  // a stack: a warp runs on until it waits for others, so that warps are as far apart as they can be
  int readyCount;
  int live;
  void *top;  // of the host thread's own stack
  void *hostStack;
  size_t hostBytes;
  char *slots;  // kMaxThreads of them
  char **stacks;  // the free ones
  int stackCount;
  std::vector<Late> late;
  bool failed;
  std::string message;
  char fault[256];  // what a signal says of it, and at which instruction
  uintptr_t faultedAt;

  struct Hopper *hopper;
  bool usesHopper, usesNamed;  // the block does: Hopper's engines, named barriers
  uint32_t round;              // which launch of the process this is
  int32_t blockNumber;         // of the grid
  struct Cells *cells;         // of global memory
  struct Access *accesses;     // of every two bytes of shared memory, dynamic then static
  uint32_t firstEpoch, lastEpoch;  // of the block
  unsigned char *shared;  // dynamic shared memory
  unsigned char *statics;  // static shared memory
  size_t staticBytes;
  std::map<const Kernel *, Habit> habits;
};

// runBlock runs one block to its end, or until r->failed; first says that it is the first of its launch on this
// runner.
void runBlock(Runner *r, uint3 block, bool first);

// prepare makes the memory of a runner on its host thread.
void prepare(Runner *r);

// makeReady lets a waiting thread go on.
void makeReady(Runner *r, Thread *t);

// wait parks the running thread until somebody makes it ready.
void wait(Runner *r, const char *what, int detail, Site site);

// runnerOf returns the runner on whose fibers' stacks the address lies.
Runner *runnerOf(uintptr_t address);

// placeOf returns the source line of an instruction.
std::string placeOf(uintptr_t instruction);

// makeAccesses makes the memory of races.cc.
void makeAccesses(Runner *r);

// findStatics finds the static shared memory of the host thread.
void findStatics(Runner *r);

// poisonStatics fills what the kernel uses of it with NaN.
void poisonStatics(Runner *r, bool first);

// noteTouched remembers what the first block of a launch has written.
void noteTouched(Runner *r);

// The engines of hopper.cuh: made, set back at the start of a block, what a thread that ends has left undone, and
// what is said of a barrier that threads wait for.
struct Hopper *makeHopper();
void beginHopper(Runner *r);
std::string unfinished(const Runner *r, const Thread *t);
std::string describeCounter(const Runner *r, int number);

}  // namespace tg

extern "C" void tg_switch(void **from, void *to);
