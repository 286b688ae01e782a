// Layer norm, with GELU fused behind it for the decoder.
//
// The limit is memory: forward reads and writes 8 bytes an element, backward moves 16, so at 10 GB/s a core an element
// may take 0.8 and 1.6 ns. erf and exp cost about 40 cycles a vector of 16, 1 ns an element with AVX2 and half of that with AVX-512.
#include "layernorm.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

#include "activation.h"
#include "vectors.h"

// moments computes the mean and 1/std of a row, in two passes.
static void TG(moments)(const float *x, long n, float *mean, float *inverse) {
  vf sum = vf_zero();
  TG_EACH_VECTOR(n, sum = sum + TG_LOAD(x););
  *mean = vf_sum(sum) / (float)n;
  vf m = vf_set1(*mean), squares = vf_zero();
  long i = 0;
  for (; i + TG_W <= n; i += TG_W) {
    vf d = vf_load(x + i) - m;
    squares = vf_fma(d, d, squares);
  }
  float variance = vf_sum(squares);
  for (; i < n; i++) variance += (x[i] - *mean) * (x[i] - *mean);
  *inverse = 1 / sqrtf(variance / (float)n + 1e-5f);
}

static void TG(layernorm_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_layernorm *a = ctx;
  long per = tg_rows_per_block(a->cols), end = tg_min((task + 1) * per, a->rows);
  for (long r = task * per; r < end; r++) {
    const float *x = a->x + r * a->x_stride;
    float *y = a->y + r * a->y_stride, mean, inverse;
    TG(moments)(x, a->cols, &mean, &inverse);
    vf m = vf_set1(mean), s = vf_set1(inverse);
    if (a->gelu)
      TG_EACH_VECTOR(a->cols, {
        vf z = vf_fma((TG_LOAD(x) - m) * s, TG_LOAD(a->gamma), TG_LOAD(a->beta));
        TG_STORE(y, TG(gelu)(z));
      });
    else
      TG_EACH_VECTOR(a->cols, TG_STORE(y, vf_fma((TG_LOAD(x) - m) * s, TG_LOAD(a->gamma), TG_LOAD(a->beta))););
    if (a->stats) a->stats[2 * r] = mean, a->stats[2 * r + 1] = inverse;
  }
}

void TG(layernorm)(struct tg_pool *pool, const struct tg_layernorm *a) {
  long tasks = tg_blocks(a->rows, tg_rows_per_block(a->cols));
  tg_parallel(pool, tasks, (double)a->rows * a->cols * (a->gelu ? 6 : 2), TG(layernorm_task), (void *)a);
}

struct TG(layernorm_job) {
  struct tg_pool *pool;
  const struct tg_layernorm_backward *a;
  float *partial; // [blocks, 2, cols]: sums of g*xhat and of g over a block's rows
};

// With xhat = (x - mean)/std and g = dy*slope(gamma*xhat + beta):
// dx += (g*gamma - mean(g*gamma) - xhat*mean(g*gamma*xhat))/std.
static void TG(layernorm_backward_row)(const struct tg_layernorm_backward *a, long r, float *g, float *dgamma, float *dbeta) {
  const float *x = a->x + r * a->x_stride, *dy = a->dy + r * a->dy_stride;
  float *dx = a->dx + r * a->dx_stride;
  vf m = vf_set1(a->stats[2 * r]), s = vf_set1(a->stats[2 * r + 1]), sum = vf_zero(), along = vf_zero();
  TG_EACH_VECTOR(a->cols, {
    vf xhat = (TG_LOAD(x) - m) * s;
    vf grad = TG_LOAD(dy);
    vf gamma = TG_LOAD(a->gamma);
    if (a->gelu) grad = grad * TG(gelu_slope)(vf_fma(xhat, gamma, TG_LOAD(a->beta)));
    TG_STORE(dgamma, vf_fma(grad, xhat, TG_LOAD(dgamma)));
    TG_STORE(dbeta, TG_LOAD(dbeta) + grad);
    grad = grad * gamma;
    TG_STORE(g, grad);
    sum = sum + grad;
    along = vf_fma(grad, xhat, along);
  });
  vf mean = vf_set1(vf_sum(sum) / (float)a->cols), slope = vf_set1(vf_sum(along) / (float)a->cols);
  TG_EACH_VECTOR(a->cols, {
    vf xhat = (TG_LOAD(x) - m) * s;
    TG_STORE(dx, vf_fma(vf_fnma(xhat, slope, TG_LOAD(g) - mean), s, TG_LOAD(dx)));
  });
}

static void TG(layernorm_backward_task)(void *ctx, int task, int thread) {
  const struct TG(layernorm_job) *job = ctx;
  const struct tg_layernorm_backward *a = job->a;
  float *g = tg_scratch(job->pool, thread, 4 * a->cols);
  float *dgamma = job->partial + (long)task * 2 * a->cols, *dbeta = dgamma + a->cols;
  memset(dgamma, 0, 8 * a->cols);
  long per = tg_rows_per_block(a->cols), end = tg_min((task + 1) * per, a->rows);
  for (long r = task * per; r < end; r++) TG(layernorm_backward_row)(a, r, g, dgamma, dbeta);
}

// Blocks add up in float64: no sum of floats is longer than a block.
static void TG(layernorm_sum)(const struct TG(layernorm_job) *job, long blocks, double *sum) {
  long n = 2 * job->a->cols;
  memset(sum, 0, 8 * n);
  for (long b = 0; b < blocks; b++)
    for (long c = 0; c < n; c++) sum[c] += job->partial[b * n + c];
  for (long c = 0; job->a->dgamma && c < n / 2; c++) job->a->dgamma[c] += (float)sum[c];
  for (long c = 0; job->a->dbeta && c < n / 2; c++) job->a->dbeta[c] += (float)sum[n / 2 + c];
}

void TG(layernorm_backward)(struct tg_pool *pool, const struct tg_layernorm_backward *a) {
  long blocks = tg_blocks(a->rows, tg_rows_per_block(a->cols));
  double *sum = tg_shared(pool, 16 * a->cols + 8 * blocks * a->cols);
  struct TG(layernorm_job) job = {pool, a, (float *)(sum + 2 * a->cols)};
  tg_parallel(pool, blocks, (double)a->rows * a->cols * (a->gelu ? 10 : 4), TG(layernorm_backward_task), &job);
  TG(layernorm_sum)(&job, blocks, sum);
}

#else

TG_DISPATCH(layernorm, struct tg_layernorm)
TG_DISPATCH(layernorm_backward, struct tg_layernorm_backward)

#endif
