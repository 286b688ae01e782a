// The limit is memory: 4 bytes read an element forward, 12 moved backward, as long as two lines of the map stay in the cache.
#include "totalvariation.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

struct TG(total_variation_job) {
  const struct tg_total_variation *a;
  double *lines; // [batch * height]
};

// distance is the sum of |y - x| over n channels.
static float TG(distance)(const float *x, const float *y, long n) {
  vf sum = vf_zero();
  TG_EACH_VECTOR(n, sum = sum + vf_abs(TG_LOAD(y) - TG_LOAD(x)););
  return vf_sum(sum);
}

static void TG(total_variation_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(total_variation_job) *job = ctx;
  const struct tg_total_variation *a = job->a;
  long n = a->channels, line = a->width * n;
  double along_x = 0, along_y = 0;
  for (long x = 0; x < a->width; x++) {
    const float *here = a->x + task * line + x * n;
    if (x + 1 < a->width) along_x += TG(distance)(here, here + n, n);
    if (task % a->height + 1 < a->height) along_y += TG(distance)(here, here + line, n);
  }
  job->lines[task] = a->per_x * along_x + a->per_y * along_y;
}

void TG(total_variation)(struct tg_pool *pool, const struct tg_total_variation *a) {
  long lines = a->batch * a->height;
  struct TG(total_variation_job) job = {a, tg_shared(pool, 8 * lines)};
  tg_parallel(pool, lines, (double)lines * a->width * a->channels, TG(total_variation_task), &job);
  *a->sum = 0;
  for (long i = 0; i < lines; i++) *a->sum += job.lines[i];
}

// step is weight times the sign of x - y.
TG_INLINE vf TG(step)(vf x, vf y, float weight) {
  vf w = vf_set1(weight);
  return vf_select(x > y, w, vf_select(x < y, -w, vf_zero()));
}

static void TG(total_variation_backward_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_total_variation *a = ctx;
  long n = a->channels, line = a->width * n, y = task % a->height;
  float per_x = (float)a->per_x, per_y = (float)a->per_y;
  for (long x = 0; x < a->width; x++) {
    const float *here = a->x + task * line + x * n;
    // At the border the neighbour is the position itself: no step.
    const float *west = x > 0 ? here - n : here, *east = x + 1 < a->width ? here + n : here;
    const float *north = y > 0 ? here - line : here, *south = y + 1 < a->height ? here + line : here;
    float *dx = a->dx + task * line + x * n;
    TG_EACH_VECTOR(n, {
      vf v = TG_LOAD(here);
      vf across = TG(step)(v, TG_LOAD(west), per_x) + TG(step)(v, TG_LOAD(east), per_x);
      vf down = TG(step)(v, TG_LOAD(north), per_y) + TG(step)(v, TG_LOAD(south), per_y);
      TG_STORE(dx, TG_LOAD(dx) + (across + down));
    });
  }
}

void TG(total_variation_backward)(struct tg_pool *pool, const struct tg_total_variation *a) {
  long lines = a->batch * a->height;
  tg_parallel(pool, lines, 2.0 * lines * a->width * a->channels, TG(total_variation_backward_task), (void *)a);
}

#else

TG_DISPATCH(total_variation, struct tg_total_variation)
TG_DISPATCH(total_variation_backward, struct tg_total_variation)

#endif
