// Fibers of a block: started, parked, made ready, and what is said when none of them can go on.
#include "block.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <map>

#ifdef TG_EMU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace tg {

static Thread *running() { return (Thread *)self(); }

unsigned char *dynamicShared() { return running()->runner->shared; }

static void enter();

// switchTo leaves the running stack (its top goes to *from) for another one.
static void switchTo(void **from, void *to, const void *stack, size_t bytes, bool last) {
#ifdef TG_EMU_ASAN
  void *fake = nullptr;
  __sanitizer_start_switch_fiber(last ? nullptr : &fake, stack, bytes);
  tg_switch(from, to);
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
  (void)stack, (void)bytes, (void)last;
  tg_switch(from, to);
#endif
}

// take makes the thread the one that runs on the slot.
static void take(Thread *t, char *slot) {
  t->stack = slot;
  *(Thread **)header((uintptr_t)slot) = t;
}

// A new stack looks like one that was left in tg_switch just before its return to enter.
static void giveStack(Runner *r, Thread *t) {
  take(t, r->stacks[--r->stackCount]);
  uint64_t *top = (uint64_t *)header((uintptr_t)t->stack);
#if defined(__x86_64__)
  *--top = 0;  // where enter would return to, which also gives it the alignment of a called function
  *--top = (uint64_t)enter;
  top -= 6;
#else
  top -= 20;
  top[11] = (uint64_t)enter;
#endif
  t->top = top;
}

static void resume(Runner *r, Thread *t, void **from, bool last) {
  if (t->state == kFresh) giveStack(r, t);
  t->state = kReady;
  switchTo(from, t->top, t->stack, kSlot, last);
}

[[noreturn]] static void leave(Runner *r) {
  void *abandoned;
  switchTo(&abandoned, r->top, r->hostStack, r->hostBytes, true);
  __builtin_unreachable();
}

static std::string text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static std::string text(const char *format, ...) {
  char line[512];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  return line;
}

static const char *base(const char *file) {
  const char *slash = strrchr(file, '/');
  return slash != nullptr ? slash + 1 : file;
}

static std::string at(Site site) {
  return site.line < 0 ? base(site.file) : text("%s:%d", base(site.file), site.line);
}

static std::string inBlock(Runner *r) {
  return text("kernel %s, block (%u,%u,%u)", r->work->kernel->name.c_str(), r->block.x, r->block.y, r->block.z);
}

[[noreturn]] static void failBlock(Runner *r, const std::string &message) {
  r->failed = true;
  r->message = message;
  leave(r);
}

void fail(Site site, const char *format, ...) {
  char line[512];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  const Thread *t = running();
  Runner *r = t->runner;
  failBlock(r, inBlock(r) + text(", thread %d (%s): %s", t->number, at(site).c_str(), line));
}

// ranges writes thread numbers as "0-31, 64".
static std::string ranges(const std::vector<int> &numbers) {
  std::string s;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) end++;
    s += (s.empty() ? "" : ",") + (end == i ? text("%d", numbers[i]) : text("%d-%d", numbers[i], numbers[end]));
    i = end + 1;
  }
  return s;
}

// stuck says what every thread of the block waits for, when none of them can go on.
[[noreturn]] static void stuck(Runner *r) {
  std::map<std::string, std::vector<int>> groups;
  const int count = r->work->kernel->threads;
  bool barrier = false;
  for (int i = 0; i < count; i++) {
    const Thread &t = r->threads[i];
    if (t.state == kExited) {
      groups["have ended"].push_back(i);
      continue;
    }
    barrier |= strcmp(t.wait, "__syncthreads") == 0;
    std::string what = text("wait in %s (", t.wait) + at(t.site) + ")";
    if (strcmp(t.wait, "mbarrier_wait") == 0) what += describeCounter(r, t.detail);
    if (strcmp(t.wait, "barrier") == 0) what += text(" for barrier %d", t.detail);
    groups[what].push_back(i);
  }
  std::string who;
  for (const auto &g : groups) who += (who.empty() ? "threads " : "; threads ") + ranges(g.second) + " " + g.first;
  failBlock(r, inBlock(r) + (groups.size() > 1 && barrier ? ": divergent barrier: " : ": no thread can go on: ") + who);
}

// runLate lets one late thing happen, any one of them: the hardware promises no order between them.
static bool runLate(Runner *r) {
  if (r->late.empty()) return false;
  const size_t i = r->random.below((uint32_t)r->late.size());
  Late happens = std::move(r->late[i]);
  r->late.erase(r->late.begin() + i);
  happens();
  return true;
}

static Thread *nextReady(Runner *r) {
  while (r->readyCount == 0) {
    if (!runLate(r)) stuck(r);
  }
  return r->ready[--r->readyCount];
}

// enter is the life of a stack: it runs one thread after another as long as the next one is fresh, then ends.
static void enter() {
#ifdef TG_EMU_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  Thread *t = running();
  Runner *r = t->runner;
  for (;;) {
    r->work->kernel->body(r->work->arguments.data());
    const std::string left = unfinished(r, t);
    if (!left.empty()) failBlock(r, inBlock(r) + text(", thread %d %s", t->number, left.c_str()));
    t->state = kExited;
    char *stack = t->stack;
    t->stack = nullptr;
    if (--r->live == 0) {
      if (!r->late.empty()) failBlock(r, inBlock(r) + " ends while bulk copies to its shared memory are under way");
      r->stacks[r->stackCount++] = stack;
      leave(r);
    }
    Thread *next = nextReady(r);
    if (next->state != kFresh) {
      r->stacks[r->stackCount++] = stack;
      void *abandoned;
      resume(r, next, &abandoned, true);
    }
    take(next, stack);
    next->state = kReady;
    t = next;
  }
}

void makeReady(Runner *r, Thread *t) {
  t->state = kReady;
  r->ready[r->readyCount++] = t;
}

void wait(Runner *r, const char *what, int detail, Site site) {
  Thread *t = running();
  t->state = kWaiting;
  t->wait = what;
  t->detail = detail;
  t->site = site;
  Thread *next = nextReady(r);
  if (next == t) {
    t->state = kReady;
    return;
  }
  resume(r, next, &t->top, false);
}

static bool same(Site a, Site b) { return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0); }

// arrive counts the running lane in; true says that it is the last of the warp.
static bool arrive(Runner *r, Thread *t, const char *what, Site site) {
  Warp *w = t->warp;
  if (w->arrived == 0) {
    w->what = what;
    w->site = site;
  } else if (w->what != what || !same(w->site, site)) {
    const char *format = ": divergent warp: thread %d is in %s (%s) while others of its warp wait in %s (%s)";
    failBlock(r, inBlock(r) + text(format, t->number, what, at(site).c_str(), w->what, at(w->site).c_str()));
  }
  if (++w->arrived < 32) return false;
  w->arrived = 0;
  w->generation++;
  return true;
}

// releaseWarp makes all lanes but the running one ready, in an order of its own.
static void releaseWarp(Runner *r, Thread *last) {
  const uint32_t order = (uint32_t)r->random.next();
  const int first = order & 31, step = (order >> 5 & 31) | 1;
  for (int i = 0; i < 32; i++) {
    Thread *t = &last->warp->lanes[(first + i * step) & 31];
    if (t != last) makeReady(r, t);
  }
}

const uint64_t *meet(const char *what, unsigned mask, uint64_t bits, Site site) {
  Thread *t = running();
  Runner *r = t->runner;
  Warp *w = t->warp;
  if (mask != 0xffffffffu) fail(site, "%s with the mask %#x: the dialect wants all lanes", what, mask);
  uint64_t *values = w->values[w->generation & 1];
  values[t->number & 31] = bits;
  if (arrive(r, t, what, site)) {
    releaseWarp(r, t);
  } else {
    wait(r, what, 0, site);
  }
  return values;
}

void syncWarp(unsigned mask, Site site) {
  meet("__syncwarp", mask, 0, site);
  running()->warpEpoch++;
}

void together(const char *what, void *operand, void (*work)(void *const *, Site), Site site) {
  Thread *t = running();
  Runner *r = t->runner;
  Warp *w = t->warp;
  w->operands[t->number & 31] = operand;
  if (!arrive(r, t, what, site)) {
    wait(r, what, 0, site);
    return;
  }
  work(w->operands, site);
  releaseWarp(r, t);
}

// releaseBarrier makes the waiting threads ready, 32 after 32 in an order of its own: they came mostly warp by warp.
static void releaseBarrier(Runner *r, Barrier *b) {
  for (int left = b->arrived - 1; left > 0;) {
    const int from = 32 * (int)r->random.below((left + 31) / 32), to = std::min(from + 32, left);
    for (int i = from; i < to; i++) makeReady(r, b->waiting[i]);
    const int rest = std::max(to, left - (to - from));
    memmove(&b->waiting[from], &b->waiting[rest], (left - rest) * sizeof b->waiting[0]);
    left -= to - from;
  }
  b->arrived = 0;
}

void barrier(int id, int threads, Site site) {
  Thread *t = running();
  Runner *r = t->runner;
  Barrier *b = &r->barriers[id];
  const char *what = threads == 0 ? "__syncthreads" : "barrier";
  if (threads == 0) threads = r->work->kernel->threads;
  if (b->arrived == 0) {
    b->site = site;
    b->expected = threads;
  } else if (b->expected != threads) {
    fail(site, "barrier %d for %d threads, for which others wait as one for %d", id, threads, b->expected);
  } else if (id == 0 && !same(b->site, site)) {
    fail(site, "divergent barrier: others wait in the __syncthreads of %s", at(b->site).c_str());
  }
  if (++b->arrived < threads) {
    b->waiting[b->arrived - 1] = t;
    wait(r, what, id, site);
  } else {
    releaseBarrier(r, b);
  }
  if (id != 0) r->usesNamed = true;
  r->lastEpoch = std::max(r->lastEpoch, ++t->blockEpoch);
}

static void *pages(size_t bytes) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    fprintf(stderr, "emulator: no memory for fibers\n");
    abort();
  }
  return p;
}


static char *slotsOfStacks() {
  char *area = (char *)pages((kMaxThreads + 1) * kSlot);
  area = (char *)(((uintptr_t)area + kSlot - 1) & ~(kSlot - 1));
  for (int i = 0; i < kMaxThreads; i++) mprotect(area + i * kSlot, kGuard, PROT_NONE);
  return area;
}

void prepare(Runner *r) {
  r->threads = new Thread[kMaxThreads]();
  r->warps = new Warp[kMaxThreads / 32]();
  r->barriers = new Barrier[kMaxBarriers]();
  r->ready = new Thread *[kMaxThreads];
  r->stacks = new char *[kMaxThreads];
  r->slots = slotsOfStacks();
  for (int i = 0; i < kMaxThreads; i++) r->stacks[i] = r->slots + i * kSlot;
  r->stackCount = kMaxThreads;
  r->shared = (unsigned char *)pages(kSharedBytes + kGuard);
  mprotect(r->shared + kSharedBytes, kGuard, PROT_NONE);
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &r->hostStack, &r->hostBytes);
  pthread_attr_destroy(&attributes);
  r->hopper = makeHopper();
  findStatics(r);
  makeAccesses(r);
}

// resetStacks takes back the stacks that a failed block left in use.
static void resetStacks(Runner *r) {
  for (int i = 0; i < kMaxThreads; i++) {
    if (r->threads[i].stack != nullptr) r->stacks[r->stackCount++] = r->threads[i].stack;
    r->threads[i].stack = nullptr;
  }
}

// begin sets the block's threads to their start, warps in an order of their own.
static void begin(Runner *r) {
  r->firstEpoch = r->lastEpoch + 1;
  r->lastEpoch = r->firstEpoch;
  const int count = r->work->kernel->threads, warps = count / 32;
  const dim3 &shape = r->launch->block;
  for (int i = 0; i < count; i++) {
    Thread *t = &r->threads[i];
    t->thread = {(unsigned)i % shape.x, (unsigned)i / shape.x % shape.y, (unsigned)i / (shape.x * shape.y)};
    t->launch = r->launch;
    t->Place::block = &r->block;
    t->runner = r;
    t->number = i;
    t->warp = &r->warps[i / 32];
    t->state = kFresh;
    t->stack = nullptr;
    t->detail = 0;
    t->blockEpoch = r->firstEpoch;
    t->warpEpoch = 0;
  }
  int order[kMaxThreads / 32];
  for (int w = 0; w < warps; w++) {
    r->warps[w].arrived = 0;
    r->warps[w].lanes = &r->threads[w * 32];
    const int at = (int)r->random.below(w + 1);
    order[w] = order[at];
    order[at] = w;
  }
  r->readyCount = 0;
  for (int w = 0; w < warps; w++) {
    const uint32_t turn = (uint32_t)r->random.next();
    const int first = turn & 31, step = (turn >> 5 & 31) | 1;
    for (int i = 0; i < 32; i++) r->ready[r->readyCount++] = &r->threads[order[w] * 32 + ((first + i * step) & 31)];
  }
  for (int i = 0; i < kMaxBarriers; i++) r->barriers[i].arrived = 0;
  r->live = count;
  r->usesNamed = false;
  r->late.clear();
  beginHopper(r);
}

// forbid lets AddressSanitizer report every access to these bytes, or no longer.
static void forbid(void *start, size_t bytes, bool yes) {
#ifdef TG_EMU_ASAN
  if (yes) {
    ASAN_POISON_MEMORY_REGION(start, bytes);
  } else {
    ASAN_UNPOISON_MEMORY_REGION(start, bytes);
  }
#else
  (void)start, (void)bytes, (void)yes;
#endif
}

// The bytes after the dynamic shared memory hold a pattern that must outlive the block.
static void checkTail(Runner *r) {
  const size_t end = r->work->shared;
  forbid(r->shared, kSharedBytes, false);
  for (size_t i = end; i < end + 1024 && i < kSharedBytes; i++) {
    if (r->shared[i] == 0xfd) continue;
    r->failed = true;
    r->message = inBlock(r) + text(": written outside its %zu bytes of dynamic shared memory, at byte %zu", end, i);
    return;
  }
}

void runBlock(Runner *r, uint3 block, bool first) {
  r->block = block;
  r->blockNumber = (int32_t)((block.z * r->launch->grid.y + block.y) * r->launch->grid.x + block.x);
  r->random = Random(r->work->seed * 0x2545f4914f6cdd1dull + r->work->number * 0x100000001b3ull +
                     ((uint64_t)block.z << 42 ^ (uint64_t)block.y << 21 ^ block.x));
  const size_t end = r->work->shared;
  forbid(r->shared, kSharedBytes, false);
  memset(r->shared, 0xff, end);
  memset(r->shared + end, 0xfd, std::min((size_t)1024, kSharedBytes - end));
  forbid(r->shared + end, kSharedBytes - end, true);
  poisonStatics(r, first);
  resetStacks(r);
  begin(r);
  resume(r, r->ready[--r->readyCount], &r->top, false);
  if (r->failed) {
    resetStacks(r);
    return;
  }
  checkTail(r);
  if (first) noteTouched(r);
}

}  // namespace tg
