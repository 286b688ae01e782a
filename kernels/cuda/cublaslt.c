//go:build cuda && cgo

#include "cublaslt.h"

#include <dlfcn.h>
#include <stddef.h>

// The part of the library's ABI that is used here.
enum { kFloat32 = 0, kBFloat16 = 14, kComputeFloat32 = 68, kTransposed = 1 };
enum { kDescriptorTransA = 3, kPreferenceWorkspace = 1 };

struct choice {
  uint64_t algorithm[8];
  size_t workspace;
  int status;
  float waves;
  int reserved[4];
};

static struct {
  int (*cublasLtCreate)(void **handle);
  int (*cublasLtMatmulDescCreate)(void **descriptor, int compute, int scale);
  int (*cublasLtMatmulDescSetAttribute)(void *descriptor, int attribute, const void *value, size_t bytes);
  int (*cublasLtMatrixLayoutCreate)(void **layout, int type, uint64_t rows, uint64_t cols, int64_t ld);
  int (*cublasLtMatmulPreferenceCreate)(void **preference);
  int (*cublasLtMatmulPreferenceSetAttribute)(void *preference, int attribute, const void *value, size_t bytes);
  int (*cublasLtMatmulAlgoGetHeuristic)(void *handle, void *descriptor, void *a, void *b, void *c, void *d,
      void *preference, int wanted, struct choice *choices, int *found);
  int (*cublasLtMatmul)(void *handle, void *descriptor, const void *alpha, const void *a, void *layout_a, const void *b,
      void *layout_b, const void *beta, const void *c, void *layout_c, void *d, void *layout_d, const void *algorithm,
      void *workspace, size_t workspace_bytes, void *stream);
  void *handle;
} lt;

#define FIND(name)                         \
  *(void **)&lt.name = dlsym(library, #name); \
  if (!lt.name) return -1;

int tg_cublaslt_open(const char *name) {
  if (lt.handle) return 0;
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return -1;
  FIND(cublasLtCreate)
  FIND(cublasLtMatmulDescCreate)
  FIND(cublasLtMatmulDescSetAttribute)
  FIND(cublasLtMatrixLayoutCreate)
  FIND(cublasLtMatmulPreferenceCreate)
  FIND(cublasLtMatmulPreferenceSetAttribute)
  FIND(cublasLtMatmulAlgoGetHeuristic)
  FIND(cublasLtMatmul)
  return lt.cublasLtCreate(&lt.handle);
}

#define TRY(call)       \
  do {                  \
    int status = call;  \
    if (status) return status; \
  } while (0)

// The library stores matrices by columns: it computes the transpose of c, [cols, rows], from b and a.
int tg_cublaslt_prepare(struct tg_product *p) {
  const int transposed = kTransposed;
  TRY(lt.cublasLtMatmulDescCreate(&p->descriptor, kComputeFloat32, kFloat32));
  TRY(lt.cublasLtMatmulDescSetAttribute(p->descriptor, kDescriptorTransA, &transposed, sizeof transposed));
  TRY(lt.cublasLtMatrixLayoutCreate(&p->layout_b, kBFloat16, p->inner, p->cols, p->inner));
  TRY(lt.cublasLtMatrixLayoutCreate(&p->layout_a, kBFloat16, p->inner, p->rows, p->inner));
  TRY(lt.cublasLtMatrixLayoutCreate(&p->layout_c, kBFloat16, p->cols, p->rows, p->cols));
  void *preference;
  TRY(lt.cublasLtMatmulPreferenceCreate(&preference));
  TRY(lt.cublasLtMatmulPreferenceSetAttribute(preference, kPreferenceWorkspace, &p->workspace_bytes, sizeof(size_t)));
  struct choice best;
  int found = 0;
  TRY(lt.cublasLtMatmulAlgoGetHeuristic(
      lt.handle, p->descriptor, p->layout_b, p->layout_a, p->layout_c, p->layout_c, preference, 1, &best, &found));
  if (found == 0) return -1;
  for (int i = 0; i < 8; i++) p->algorithm[i] = best.algorithm[i];
  return 0;
}

int tg_cublaslt_multiply(struct tg_product *p) {
  const float one = 1, zero = 0;
  return lt.cublasLtMatmul(lt.handle, p->descriptor, &one, (void *)p->b, p->layout_b, (void *)p->a, p->layout_a, &zero,
      (void *)p->c, p->layout_c, (void *)p->c, p->layout_c, p->algorithm, (void *)p->workspace, p->workspace_bytes,
      (void *)p->stream);
}
