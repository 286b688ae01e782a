// NVIDIA's matrix product, opened at run time where it is installed: a yardstick for `textground bench kernels`, no more.
#ifndef TG_CUBLASLT_H
#define TG_CUBLASLT_H

#include <stdint.h>

// c [rows, cols] = a [rows, inner] times the transpose of b [cols, inner], all bfloat16 and dense, summed in float32.
struct tg_product {
  uint64_t a, b, c;  // device addresses
  int64_t rows, cols, inner;
  uint64_t workspace, workspace_bytes, stream;
  void *descriptor, *layout_a, *layout_b, *layout_c;  // of the library
  uint64_t algorithm[8];
};

// tg_cublaslt_open loads the library and returns 0, or -1 where there is none, or its own status.
int tg_cublaslt_open(const char *library);

// tg_cublaslt_prepare lets the library choose an algorithm; tg_cublaslt_multiply enqueues the product. Both return the
// library's status, 0 for success.
int tg_cublaslt_prepare(struct tg_product *p);
int tg_cublaslt_multiply(struct tg_product *p);

#endif
