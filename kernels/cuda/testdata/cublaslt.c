// A cuBLASLt that multiplies nothing: it looks at what it is asked for and refuses what makes no sense.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct layout {
  int type;
  uint64_t rows, cols;
  int64_t ld;
};

struct descriptor {
  int compute, scale, transposed;
};

int cublasLtCreate(void **handle) {
  *handle = malloc(1);
  return 0;
}

int cublasLtMatmulDescCreate(void **out, int compute, int scale) {
  struct descriptor *d = calloc(1, sizeof *d);
  d->compute = compute, d->scale = scale;
  *out = d;
  return compute == 68 && scale == 0 ? 0 : 7;
}

int cublasLtMatmulDescSetAttribute(void *descriptor, int attribute, const void *value, size_t bytes) {
  memcpy(&((struct descriptor *)descriptor)->transposed, value, bytes);
  return attribute == 3 && bytes == 4 ? 0 : 7;
}

int cublasLtMatrixLayoutCreate(void **out, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  struct layout *l = malloc(sizeof *l);
  *l = (struct layout){type, rows, cols, ld};
  *out = l;
  return type == 14 && ld == (int64_t)rows ? 0 : 7;
}

int cublasLtMatmulPreferenceCreate(void **out) {
  *out = malloc(1);
  return 0;
}

int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes) {
  (void)preference;
  return attribute == 1 && bytes == 8 && *(const uint64_t *)value > 0 ? 0 : 7;
}

// Column-major: c [n, m] is the transpose of a [k, n] times b [k, m].
static int fits(const struct descriptor *d, const struct layout *a, const struct layout *b, const struct layout *c) {
  return d->transposed == 1 && a->rows == b->rows && c->rows == a->cols && c->cols == b->cols;
}

int cublasLtMatmulAlgoGetHeuristic(
    void *handle, void *d, void *a, void *b, void *c, void *out, void *preference, int wanted, void *choices, int *found) {
  (void)handle, (void)preference, (void)choices;
  *found = wanted;
  memset(choices, 0x5a, 96);
  return fits(d, a, b, c) && c == out ? 0 : 7;
}

int cublasLtMatmul(void *handle, void *d, const void *alpha, const void *a, void *la, const void *b, void *lb, const void *beta,
    const void *c, void *lc, void *out, void *lout, const void *algorithm, void *workspace, size_t bytes, void *stream) {
  (void)handle, (void)lout;
  const int ready = *(const float *)alpha == 1 && *(const float *)beta == 0 && *(const unsigned char *)algorithm == 0x5a;
  const int placed = a && b && out && c == out && a != b && workspace && bytes && stream;
  return ready && placed && fits(d, la, lb, lc) ? 0 : 7;
}
