// A launch: its blocks are shared out to the host threads, and whatever a kernel does wrong becomes one line of text.
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include "block.h"

namespace tg {

static std::map<std::string, Kernel> &kernels() {
  static std::map<std::string, Kernel> table;
  return table;
}

Registration::Registration(const char *name, Body body, int threads, size_t bytes, const char *file) {
  const bool fresh = kernels().insert({name, Kernel{name, body, threads, bytes, file}}).second;
  if (!fresh) fprintf(stderr, "emulator: two kernels are called %s\n", name);
  if (threads % 32 != 0 || threads < 32 || threads > kMaxThreads) {
    fprintf(stderr, "emulator: kernel %s has %d threads: want a multiple of 32 up to %d\n", name, threads, kMaxThreads);
    abort();
  }
  if (!fresh) abort();
}

const Kernel *findKernel(const std::string &name) {
  const auto found = kernels().find(name);
  return found != kernels().end() ? &found->second : nullptr;
}

// Pool is the host threads and the launch that they work on.
struct Pool {
  std::mutex launch;  // held for a whole launch
  std::mutex mutex;
  std::condition_variable begins, ends;
  uint64_t round = 0;
  bool open = false;  // a host thread that comes after the last block has nothing to do, and nobody waits for it
  int busy = 0;
  const Work *work = nullptr;
  Launch shape;
  uint64_t blocks = 0, step = 1, offset = 0;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::string message;
  std::vector<Runner *> runners;
};

static Pool &pool() {
  static Pool *p = new Pool;
  return *p;
}

// nth is the block that comes nth: every block once, in an order of the launch.
static uint3 nth(const Pool &p, uint64_t n) {
  const uint64_t b = (p.offset + (unsigned __int128)n * p.step) % p.blocks;
  const dim3 &g = p.shape.grid;
  return {(unsigned)(b % g.x), (unsigned)(b / g.x % g.y), (unsigned)(b / g.x / g.y)};
}

static void runShare(Pool &p, Runner *r) {
  r->work = p.work;
  r->launch = &p.shape;
  r->round = (uint32_t)p.round;
  r->failed = false;
  bool first = true;
  for (uint64_t n; !p.failed.load() && (n = p.next.fetch_add(1)) < p.blocks; first = false) {
    runBlock(r, nth(p, n), first);
    if (!r->failed) continue;
    std::lock_guard<std::mutex> lock(p.mutex);
    if (!p.failed.exchange(true)) p.message = r->message;
    return;
  }
}

// placeOf asks the binutils, where the machine has them, for the line of an instruction.
std::string placeOf(uintptr_t instruction) {
  Dl_info info;
  if (dladdr((void *)instruction, &info) == 0 || info.dli_fname == nullptr) return "unknown place";
  char command[512], line[256] = "";
  snprintf(command, sizeof command, "addr2line -e '%s' %#lx 2>/dev/null", info.dli_fname,
           (unsigned long)(instruction - (uintptr_t)info.dli_fbase));
  FILE *answer = popen(command, "r");
  if (answer != nullptr) {
    if (fgets(line, sizeof line, answer) == nullptr) line[0] = 0;
    pclose(answer);
  }
  line[strcspn(line, " \n")] = 0;
  return line[0] == 0 || line[0] == '?' ? "unknown place" : line;
}

// faulted runs in the place of the instruction that faulted, on the fiber's own stack.
static void faulted() {
  Runner *r = ((const Thread *)self())->runner;
  const std::string place = placeOf(r->faultedAt);
  fail({place.c_str(), -1}, "%s", r->fault);
}

static struct sigaction previous[64];

Runner *runnerOf(uintptr_t address) {
  for (Runner *r : pool().runners) {
    if (address - (uintptr_t)r->slots < kMaxThreads * kSlot) return r;
  }
  return nullptr;
}

// onFault turns a fault of a kernel into its failure. What faults elsewhere goes to the handler that was there
// before.
static void onFault(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = (ucontext_t *)context;
#if defined(__x86_64__)
  const uintptr_t sp = u->uc_mcontext.gregs[REG_RSP];
#else
  const uintptr_t sp = u->uc_mcontext.sp;
#endif
  Runner *r = runnerOf(sp);
  if (r == nullptr) {
    const struct sigaction &p = previous[signal];
    if ((p.sa_flags & SA_SIGINFO) != 0 && p.sa_sigaction != nullptr) {
      p.sa_sigaction(signal, info, context);
    } else if (p.sa_handler != SIG_IGN && p.sa_handler != SIG_DFL) {
      p.sa_handler(signal);
    } else {
      ::signal(signal, SIG_DFL);  // returning repeats the fault, which now ends the process
    }
    return;
  }
  const uintptr_t address = (uintptr_t)info->si_addr;
  if (signal == SIGFPE) {
    snprintf(r->fault, sizeof r->fault, "integer division by zero");
  } else if (runnerOf(address) == r) {
    snprintf(r->fault, sizeof r->fault, "its stack of %zu KiB is full", (kSlot - kGuard) >> 10);
  } else {
    snprintf(r->fault, sizeof r->fault, "illegal address %p: %s", info->si_addr, describe(info->si_addr).c_str());
  }
  // A new frame at the top of the fiber's stack: whatever was on it is abandoned, and the stack may have overflowed.
  const uintptr_t top = (header(sp) & ~(uintptr_t)15) - 256;
#if defined(__x86_64__)
  r->faultedAt = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
  u->uc_mcontext.gregs[REG_RSP] = top - 8;
  u->uc_mcontext.gregs[REG_RIP] = (greg_t)&faulted;
#else
  r->faultedAt = u->uc_mcontext.pc;
  u->uc_mcontext.sp = top;
  u->uc_mcontext.pc = (uintptr_t)&faulted;
#endif
}

static void catchFaults() {
  struct sigaction action = {};
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE}) sigaction(signal, &action, &previous[signal]);
}

// The host threads take no signal but those of their own faults: the process's belong to the process.
static void onlyFaults() {
  sigset_t others;
  sigfillset(&others);
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&others, signal);
  pthread_sigmask(SIG_SETMASK, &others, nullptr);
  stack_t stack = {};
  stack.ss_size = 64 << 10;
  stack.ss_sp = malloc(stack.ss_size);
  sigaltstack(&stack, nullptr);
}

static void hostThread(Pool *p, Runner *r) {
  onlyFaults();
  prepare(r);
  std::unique_lock<std::mutex> lock(p->mutex);
  for (uint64_t seen = 0;;) {
    p->begins.wait(lock, [&] { return p->round != seen; });
    seen = p->round;
    if (!p->open) continue;
    p->busy++;
    lock.unlock();
    runShare(*p, r);
    lock.lock();
    if (--p->busy == 0) p->ends.notify_all();
  }
}

static void start(Pool &p) {
  if (!p.runners.empty()) return;
  for (int i = 0; i < hostThreads(); i++) p.runners.push_back(new Runner());
  for (Runner *r : p.runners) std::thread(hostThread, &p, r).detach();
#ifndef TG_EMU_ASAN
  catchFaults();
#endif
}

static uint64_t coprime(uint64_t candidate, uint64_t n) {
  for (candidate = candidate % n + 1; std::gcd(candidate, n) != 1;) candidate++;
  return candidate;
}

std::string run(const Work &work) {
  Pool &p = pool();
  std::lock_guard<std::mutex> one(p.launch);
  start(p);
  std::unique_lock<std::mutex> lock(p.mutex);
  Random order(work.seed ^ work.number << 32);
  p.work = &work;
  p.shape = {work.grid, work.block};
  p.blocks = (uint64_t)work.grid.x * work.grid.y * work.grid.z;
  p.offset = order.next() % p.blocks;
  p.step = coprime(order.next(), p.blocks);
  p.next = 0;
  p.failed = false;
  p.message.clear();
  p.open = true;
  p.round++;
  p.begins.notify_all();
  p.ends.wait(lock, [&] { return p.busy == 0 && (p.failed || p.next >= p.blocks); });
  p.open = false;
  return p.message;
}

}  // namespace tg
