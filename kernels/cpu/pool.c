#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
  spin_ns = 30000,     // how long a thread looks for work before it sleeps: about what a wake-up costs
  huge_page = 2 << 20,
  small_cycles = 30000 // work below this is done before a second thread would have woken up
};

struct space {
  void *at;
  size_t bytes;
};

struct tg_pool {
  int threads;
  enum tg_isa isa;
  pthread_t *workers;
  struct space *scratch; // one a thread
  struct space shared;
  atomic_llong bytes;

  // The job. A worker claims a task by taking one from remaining and reads the job's fields only then: until it has counted
  // its task as finished the job cannot end, so they cannot change under it.
  tg_task *run;
  void *ctx;
  int tasks;
  _Alignas(64) atomic_int remaining;
  _Alignas(64) atomic_int finished;

  _Alignas(64) atomic_int sleepers; // workers that wait for wake
  atomic_int caller_sleeps;
  atomic_int quit;
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
};

struct start {
  struct tg_pool *pool;
  int thread;
};

static void pause_cpu(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int has_work(struct tg_pool *p) { return atomic_load(&p->remaining) > 0 || atomic_load(&p->quit); }

static int all_finished(struct tg_pool *p) { return atomic_load(&p->finished) == p->tasks; }

// spin waits a short while for a condition.
static int spin(struct tg_pool *p, int (*holds)(struct tg_pool *)) {
  int64_t end = now_ns() + spin_ns;
  do {
    for (int i = 0; i < 16; i++) {
      if (holds(p)) return 1;
      pause_cpu();
    }
  } while (now_ns() < end);
  return 0;
}

// claim takes the number of a task that nobody has, or -1.
static int claim(struct tg_pool *p) {
  int left = atomic_load(&p->remaining);
  while (left > 0)
    if (atomic_compare_exchange_weak(&p->remaining, &left, left - 1)) return p->tasks - left;
  return -1;
}

// work runs tasks until none is left to claim.
static void work(struct tg_pool *p, int thread) {
  for (int task = claim(p); task >= 0; task = claim(p)) {
    int tasks = p->tasks;
    p->run(p->ctx, task, thread);
    if (atomic_fetch_add(&p->finished, 1) + 1 == tasks && atomic_load(&p->caller_sleeps)) {
      pthread_mutex_lock(&p->lock);
      pthread_cond_signal(&p->done);
      pthread_mutex_unlock(&p->lock);
    }
  }
}

static void *worker(void *arg) {
  struct start start = *(struct start *)arg;
  struct tg_pool *p = start.pool;
  free(arg);
  while (!atomic_load(&p->quit)) {
    work(p, start.thread);
    if (spin(p, has_work)) continue;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_work(p)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
  }
  return NULL;
}

// await returns when every task has finished.
static void await(struct tg_pool *p) {
  if (spin(p, all_finished)) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->caller_sleeps, 1);
  while (!all_finished(p)) pthread_cond_wait(&p->done, &p->lock);
  atomic_store(&p->caller_sleeps, 0);
  pthread_mutex_unlock(&p->lock);
}

void tg_parallel(struct tg_pool *p, int tasks, double cost, tg_task *run, void *ctx) {
  if (p->threads == 1 || tasks <= 1 || cost < small_cycles) {
    for (int task = 0; task < tasks; task++) run(ctx, task, 0);
    return;
  }
  p->run = run;
  p->ctx = ctx;
  p->tasks = tasks;
  atomic_store(&p->finished, 0);
  atomic_store(&p->remaining, tasks);
  if (atomic_load(&p->sleepers) > 0) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
  }
  work(p, 0);
  await(p);
}

static void *reserve(struct tg_pool *p, struct space *s, size_t bytes) {
  if (bytes <= s->bytes) return s->at;
  size_t page = bytes < huge_page ? 4096 : huge_page;
  bytes = (bytes + page - 1) / page * page;
  free(s->at);
  s->at = aligned_alloc(page, bytes);
#ifdef MADV_HUGEPAGE
  if (s->at && page == huge_page) madvise(s->at, bytes, MADV_HUGEPAGE);
#endif
  if (!s->at) {
    fprintf(stderr, "textground: no memory for %zu bytes of scratch space, %lld are in use\n", bytes,
            (long long)atomic_load(&p->bytes));
    abort();
  }
  atomic_fetch_add(&p->bytes, (long long)bytes - (long long)s->bytes);
  s->bytes = bytes;
  return s->at;
}

void *tg_scratch(struct tg_pool *p, int thread, size_t bytes) { return reserve(p, &p->scratch[thread], bytes); }

void *tg_shared(struct tg_pool *p, size_t bytes) { return reserve(p, &p->shared, bytes); }

int64_t tg_pool_bytes(const struct tg_pool *p) { return atomic_load(&((struct tg_pool *)p)->bytes); }

enum tg_isa tg_pool_isa(const struct tg_pool *p) { return p->isa; }

// start_workers starts the threads with all signals blocked: signals are the business of the Go runtime's own threads.
static int start_workers(struct tg_pool *p) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int started = 1;
  for (; started < p->threads; started++) {
    struct start *s = malloc(sizeof *s);
    if (!s) break;
    *s = (struct start){p, started};
    if (pthread_create(&p->workers[started], NULL, worker, s)) {
      free(s);
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

struct tg_pool *tg_pool_new(int threads, enum tg_isa isa) {
  size_t size = (sizeof(struct tg_pool) + 63) / 64 * 64;
  struct tg_pool *p = aligned_alloc(64, size);
  if (!p) return NULL;
  *p = (struct tg_pool){.threads = threads, .isa = isa};
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  pthread_cond_init(&p->done, NULL);
  p->workers = calloc(threads, sizeof *p->workers);
  p->scratch = calloc(threads, sizeof *p->scratch);
  int started = p->workers && p->scratch ? start_workers(p) : 1;
  if (!p->workers || !p->scratch || started < threads) {
    p->threads = started;
    tg_pool_free(p);
    return NULL;
  }
  return p;
}

void tg_pool_free(struct tg_pool *p) {
  atomic_store(&p->quit, 1);
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->lock);
  for (int i = 1; i < p->threads; i++) pthread_join(p->workers[i], NULL);
  for (int i = 0; p->scratch && i < p->threads; i++) free(p->scratch[i].at);
  free(p->shared.at);
  free(p->workers);
  free(p->scratch);
  pthread_cond_destroy(&p->wake);
  pthread_cond_destroy(&p->done);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

int tg_isa_available(enum tg_isa isa) {
  switch (isa) {
  case TG_SCALAR:
    return 1;
  case TG_NEON:
#if defined(__aarch64__)
    return 1;
#else
    return 0;
#endif
#if defined(__x86_64__)
  case TG_AVX2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  case TG_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && tg_isa_available(TG_AVX2);
#endif
  default:
    return 0;
  }
}
