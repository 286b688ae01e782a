// The threads of a device, their working space, and the rule that makes results independent of both.
//
// An operation is cut into tasks by its shapes alone, never by the number of threads; which thread runs which task is left
// to chance, because no task reads what another one of the same call writes.
#ifndef TG_POOL_H
#define TG_POOL_H

#include <stddef.h>
#include <stdint.h>

enum tg_isa { TG_SCALAR, TG_NEON, TG_AVX2, TG_AVX512 };

struct tg_pool;

// tg_pool_new starts threads-1 threads beside the caller. NULL when the system gives no thread or memory.
struct tg_pool *tg_pool_new(int threads, enum tg_isa isa);
void tg_pool_free(struct tg_pool *pool);
enum tg_isa tg_pool_isa(const struct tg_pool *pool);

// tg_isa_available reports whether this CPU, and this build, can run an instruction set.
int tg_isa_available(enum tg_isa isa);

// tg_task runs task number task, 0 <= task < tasks, on thread number thread, 0 <= thread < threads.
typedef void tg_task(void *ctx, int task, int thread);

// tg_parallel runs all tasks and returns when they are done. cost is the whole call's estimated work in clock cycles of one
// core; small work stays on the caller. One call at a time, and never from inside a task.
void tg_parallel(struct tg_pool *pool, int tasks, double cost, tg_task *run, void *ctx);

// tg_scratch returns at least bytes of 64-byte aligned space that belongs to one thread until its task ends.
void *tg_scratch(struct tg_pool *pool, int thread, size_t bytes);

// tg_shared returns at least bytes of 64-byte aligned space that belongs to the operation until it ends.
void *tg_shared(struct tg_pool *pool, size_t bytes);

// tg_pool_bytes returns how much scratch and shared space the pool holds. It never shrinks.
int64_t tg_pool_bytes(const struct tg_pool *pool);

#endif
