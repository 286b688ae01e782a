// Token sequences made of patches or words, with positions: [64, 197, 768] and [1024, 77, 512]. Bound by memory
// bandwidth.
//
// Where several rows are added to one, a thread adds them in the order of rows: no atomics, and the bits of
// kernels/ref.
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "tokens.h"

// A block takes rows, a thread channels.
TG_KERNEL(image_tokens, tg_image_tokens, 256) {
  for (int64_t row = blockIdx.x; row < a.batch * a.length; row += gridDim.x) {
    const int64_t image = row / a.length, place = row % a.length;
    const float *from = place == 0 ? a.class_row : a.patches + (image * (a.length - 1) + place - 1) * a.width;
    const float *position = a.position + place * a.width;
    for (int64_t c = threadIdx.x; c < a.width; c += 256) a.x[row * a.width + c] = from[c] + position[c];
  }
}

// A block takes one token's place in all images.
TG_KERNEL(image_tokens_backward, tg_image_tokens_backward, 256) {
  const int64_t place = blockIdx.x;
  for (int64_t c = (int64_t)blockIdx.y * 256 + threadIdx.x; c < a.width; c += (int64_t)gridDim.y * 256) {
    const bool adds_class = place == 0 && a.dclass, adds_position = a.dposition, copies = place > 0 && a.dpatches;
    float class_sum = adds_class ? a.dclass[c] : 0, position_sum = adds_position ? a.dposition[place * a.width + c] : 0;
    for (int64_t b = 0; b < a.batch; b++) {
      const float v = a.dx[(b * a.length + place) * a.width + c];
      class_sum += v;
      position_sum += v;
      if (copies) a.dpatches[(b * (a.length - 1) + place - 1) * a.width + c] = v;
    }
    if (adds_class) a.dclass[c] = class_sum;
    if (adds_position) a.dposition[place * a.width + c] = position_sum;
  }
}

// A token that is not in the table reads as NaN, which the step's finite check finds.
TG_KERNEL(embed_tokens, tg_embed_tokens, 256) {
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const int64_t word = a.tokens[row];
    const bool there = word >= 0 && word < a.words;
    const float *position = a.position + row % a.length * a.width;
    for (int64_t c = threadIdx.x; c < a.width; c += 256)
      a.x[row * a.width + c] = (there ? a.table[word * a.width + c] : NAN) + position[c];
  }
}

// A block takes a place of the text.
TG_KERNEL(embed_tokens_backward_position, tg_embed_tokens_backward, 256) {
  const int64_t place = blockIdx.x;
  for (int64_t c = threadIdx.x; c < a.width; c += 256) {
    float sum = a.dposition[place * a.width + c];
    for (int64_t row = place; row < a.rows; row += a.length) sum += a.dx[row * a.width + c];
    a.dposition[place * a.width + c] = sum;
  }
}

// A block takes a word: it looks at 256 tokens at a time, and its threads add the rows that hold the word to their
// channels.
TG_KERNEL(embed_tokens_backward_table, tg_embed_tokens_backward, 256) {
  __shared__ uint32_t found[8];
  const int64_t word = blockIdx.x;
  float *sum = a.dtable + word * a.width;
  for (int64_t first = 0; first < a.rows; first += 256) {
    const int64_t mine = first + threadIdx.x;
    const uint32_t held = __ballot_sync(kFullMask, mine < a.rows && a.tokens[mine] == word);
    if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = held;
    __syncthreads();
    for (int warp = 0; warp < 8; warp++) {
      const float *row = a.dx + (first + warp * 32) * a.width;
      for (uint32_t left = found[warp]; left; left >>= 1, row += a.width) {
        if (!(left & 1)) continue;
        for (int64_t c = threadIdx.x; c < a.width; c += 256) sum[c] += row[c];
      }
    }
    __syncthreads();
  }
}
