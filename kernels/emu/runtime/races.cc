// Races in shared memory. In the build `races`, the compiler puts a call before every access of a kernel to memory:
// those of ThreadSanitizer, whose library this file takes the place of. For every two bytes of shared memory it keeps
// who wrote them last and who has read them since, and when: how many barriers and __syncwarps the thread had passed.
// Two accesses of different threads, one of them a write, need a barrier between them, or a __syncwarp where they are
// of one warp. What nobody of the block has written may not be read.
//
// Global memory is judged too: what a block has written, no other block of the launch may read or write, because
// nothing orders them. Within a block the rules are those of shared memory.
//
// A block that synchronises through mbarriers or named barriers is not judged from there on: their order is not one
// of epochs.
#include "races.h"

#include <stdlib.h>

namespace tg {

constexpr size_t kGrain = 2;

static Access *accessOf(Runner *r, uintptr_t address) {
  const uintptr_t dynamic = address - (uintptr_t)r->shared, fixed = address - (uintptr_t)r->statics;
  if (dynamic < r->work->shared) return &r->accesses[dynamic / kGrain];
  if (fixed < r->staticBytes) return &r->accesses[(kSharedBytes + fixed) / kGrain];
  return nullptr;
}

static bool onFiber(const Runner *r, uintptr_t address) { return address - (uintptr_t)r->slots < kMaxThreads * kSlot; }

// isGlobal tells device memory from stacks and shared memory. What the runtime keeps for a kernel, such as its
// arguments, counts as global too, and is only read.
static bool isGlobal(Runner *r, uintptr_t address) {
  return accessOf(r, address) == nullptr && !onFiber(r, address);
}

static bool ofThisBlock(const Runner *r, const Mark &m) { return m.block >= r->firstEpoch; }

static bool ordered(const Mark &earlier, const Thread *now) {
  if (earlier.block != now->blockEpoch || earlier.thread == now->number) return true;
  return earlier.thread != kManyWarps && earlier.warp == now->number / 32 && earlier.inWarp < now->warpEpoch;
}

static std::string name(const Mark &m) {
  if (m.thread == kManyWarps) return "threads of several warps";
  return m.thread == kManyLanes ? "lanes of warp " + std::to_string(m.warp) : "thread " + std::to_string(m.thread);
}

[[noreturn]] static void report(Where where, const std::string &what) {
  if (where.instruction == 0) fail(where.site, "%s", what.c_str());
  const std::string place = placeOf(where.instruction);
  fail({place.c_str(), -1}, "%s", what.c_str());
}

[[noreturn]] static void race(Where where, const char *does, const Mark &other, const char *did,
                              const char *memory = "shared") {
  report(where, std::string("race: it ") + does + " " + memory + " memory that " + name(other) + " " + did +
                    ", with no barrier between");
}

static Mark markOf(const Thread *t) {
  return {(int16_t)t->number, (int16_t)(t->number / 32), t->blockEpoch, t->warpEpoch};
}

// addReader keeps the readers between two barriers together: one thread, several lanes of a warp, or several warps.
static void addReader(Mark &m, const Thread *t) {
  if (m.block != t->blockEpoch || m.thread == t->number) {
    m = markOf(t);
  } else if (m.thread != kManyWarps && m.warp == t->number / 32) {
    m.thread = kManyLanes;
    m.inWarp = t->warpEpoch;
  } else {
    m.thread = kManyWarps;
  }
}

static void read(Runner *r, Thread *t, Access &a, Where where) {
  if (!ofThisBlock(r, a.writer)) report(where, "it reads shared memory that no thread of the block has written");
  if (!ordered(a.writer, t)) race(where, "reads", a.writer, "wrote");
  addReader(a.reader, t);
}

static void write(Runner *r, Thread *t, Access &a, Where where) {
  if (ofThisBlock(r, a.writer) && !ordered(a.writer, t)) race(where, "writes", a.writer, "wrote");
  if (ofThisBlock(r, a.reader) && !ordered(a.reader, t)) race(where, "writes", a.reader, "read");
  a.writer = markOf(t);
}

static size_t slotOf(const Cells &c, uintptr_t address) {
  return (address * 0x9e3779b97f4a7c15ull) >> 20 & (c.table.size() - 1);
}

static Cell &cellOf(Cells &c, uintptr_t address);

// grow doubles the table and moves the cells of this launch over.
static void grow(Cells &c) {
  std::vector<Cell> old(2 * c.table.size());
  old.swap(c.table);
  c.used = 0;
  for (const Cell &cell : old) {
    if (cell.launch == c.launch) cellOf(c, cell.address) = cell;
  }
}

static Cell &cellOf(Cells &c, uintptr_t address) {
  if (2 * c.used > c.table.size()) grow(c);
  size_t i = slotOf(c, address);
  while (c.table[i].launch == c.launch && c.table[i].address != address) i = (i + 1) & (c.table.size() - 1);
  if (c.table[i].launch != c.launch) {
    c.table[i] = {address, c.launch, kNobody, kNobody, {}};
    c.used++;
  }
  return c.table[i];
}

[[noreturn]] static void raceOfBlocks(Where where, const char *does, int32_t other, const char *did) {
  const std::string who = other == kManyBlocks ? "several blocks" : "block number " + std::to_string(other);
  report(where, std::string("race: it ") + does + " global memory that " + who + " of the launch " + did);
}

static void judgeGlobal(Runner *r, Thread *t, uintptr_t address, bool writes, Where where) {
  Cell &c = cellOf(*r->cells, address);
  const int32_t mine = r->blockNumber;
  if (c.writer != kNobody && c.writer != mine) raceOfBlocks(where, writes ? "writes" : "reads", c.writer, "wrote");
  if (writes && c.reader != kNobody && c.reader != mine) raceOfBlocks(where, "writes", c.reader, "read");
  const bool judged = !r->usesHopper && !r->usesNamed;
  if (judged && c.writer == mine && !ordered(c.access.writer, t)) {
    race(where, writes ? "writes" : "reads", c.access.writer, "wrote", "global");
  }
  if (judged && writes && c.reader == mine && !ordered(c.access.reader, t)) {
    race(where, "writes", c.access.reader, "read", "global");
  }
  if (writes) {
    c.writer = mine;
    c.access.writer = markOf(t);
    return;
  }
  addReader(c.access.reader, t);
  c.reader = c.reader == kNobody || c.reader == mine ? mine : (int32_t)kManyBlocks;
}

// The one runner of this build, once it runs.
static Runner *judged;

#ifdef TG_EMU_RACES
static Cells allCells;

void makeAccesses(Runner *r) {
  judged = r;
  r->cells = &allCells;
  r->accesses = (Access *)calloc((kSharedBytes + r->staticBytes) / kGrain + 1, sizeof(Access));
}
#else
void makeAccesses(Runner *) {}
#endif

void noteAccess(Thread *t, const void *address, size_t bytes, bool writes, Where where) {
  Runner *r = t->runner;
  if (r->accesses == nullptr) return;
  if (where.instruction != 0 && isGlobal(r, (uintptr_t)address)) {
    if (r->cells->launch != r->round) {
      r->cells->launch = r->round;
      r->cells->used = 0;
    }
    for (uintptr_t at = (uintptr_t)address / 4; at <= ((uintptr_t)address + bytes - 1) / 4; at++) {
      judgeGlobal(r, t, at, writes, where);
    }
    return;
  }
  if (r->usesHopper || r->usesNamed) return;
  for (uintptr_t at = (uintptr_t)address & ~(kGrain - 1); at < (uintptr_t)address + bytes; at += kGrain) {
    Access *a = accessOf(r, at);
    if (a == nullptr) return;
    if (writes) {
      write(r, t, *a, where);
    } else {
      read(r, t, *a, where);
    }
  }
}

// note is what the compiler's calls come to. A thread's own stack is left alone, and so is code that runs on no
// fiber, such as that of the library's start.
static inline void note(const void *address, size_t bytes, bool writes, void *from) {
  const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
  if ((frame ^ (uintptr_t)address) < kSlot || judged == nullptr || !onFiber(judged, frame)) return;
  noteAccess((Thread *)self(), address, bytes, writes, {(uintptr_t)from - 1, {nullptr, 0}});
}

}  // namespace tg

#define TG_ACCESS(name, bytes, writes) \
  extern "C" void name(void *p) { ::tg::note(p, bytes, writes, __builtin_return_address(0)); }
#define TG_ACCESSES(bytes)                              \
  TG_ACCESS(__tsan_read##bytes, bytes, false)           \
  TG_ACCESS(__tsan_write##bytes, bytes, true)           \
  TG_ACCESS(__tsan_unaligned_read##bytes, bytes, false) \
  TG_ACCESS(__tsan_unaligned_write##bytes, bytes, true)
TG_ACCESSES(1)
TG_ACCESSES(2)
TG_ACCESSES(4)
TG_ACCESSES(8)
TG_ACCESSES(16)

extern "C" void __tsan_read_range(void *p, size_t n) { ::tg::note(p, n, false, __builtin_return_address(0)); }
extern "C" void __tsan_write_range(void *p, size_t n) { ::tg::note(p, n, true, __builtin_return_address(0)); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}

// Atomics are never part of a race.
#define TG_ATOMIC(bits, type)                                                                                         \
  extern "C" type __tsan_atomic##bits##_load(const type *p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }     \
  extern "C" void __tsan_atomic##bits##_store(type *p, type v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }     \
  extern "C" type __tsan_atomic##bits##_exchange(type *p, type v, int) {                                              \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                               \
  }                                                                                                                   \
  extern "C" type __tsan_atomic##bits##_fetch_add(type *p, type v, int) {                                             \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                                \
  }                                                                                                                   \
  extern "C" type __tsan_atomic##bits##_fetch_sub(type *p, type v, int) {                                             \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                                \
  }                                                                                                                   \
  extern "C" type __tsan_atomic##bits##_fetch_and(type *p, type v, int) {                                             \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                                \
  }                                                                                                                   \
  extern "C" type __tsan_atomic##bits##_fetch_or(type *p, type v, int) {                                              \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                                                 \
  }                                                                                                                   \
  extern "C" type __tsan_atomic##bits##_fetch_xor(type *p, type v, int) {                                             \
    return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);                                                                \
  }                                                                                                                   \
  extern "C" int __tsan_atomic##bits##_compare_exchange_strong(type *p, type *expected, type v, int, int) {           \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                    \
  }
TG_ATOMIC(32, int32_t)
TG_ATOMIC(64, int64_t)
