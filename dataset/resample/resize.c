#include "resize.h"

#include <string.h>

// Integer sums in any order are the same number, so the compiler may vectorise as it likes, and each processor gets its own code.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define EACH_PROCESSOR __attribute__((target_clones("avx2", "sse4.1", "default")))
#else
#define EACH_PROCESSOR
#endif

enum { weight_bits = 22, half_weight = 1 << (weight_bits - 1) };

static inline int32_t rounded(int32_t sum) {
	sum >>= weight_bits;
	return sum > 255 ? 255 : sum;
}

// copy_pixel copies a pixel and the byte behind it, which is as fast as one number and half as many moves as three bytes are.
static inline void copy_pixel(uint8_t *to, const uint8_t *from) { memcpy(to, from, 4); }

// turn copies a column of pixels beside each other, for every column of up to 21 rows: [used][21][3] and a byte over. What a copy
// writes beyond its pixel the next one overwrites. The last pixel of a row may be the last of the picture.
static void turn(uint8_t *block, const uint8_t *src, int stride, int n, int used) {
	for (int y = 0; y < n; y++, src += stride) {
		uint8_t *to = block + 3 * y;
#pragma GCC unroll 8
		for (int x = 0; x < used - 1; x++)
			copy_pixel(to + (int64_t)x * tg_column, src + 3 * x);
		memcpy(to + (int64_t)(used - 1) * tg_column, src + 3 * (used - 1), 3);
	}
}

// Twenty-one rows share every weight: an output is a sum of vectors that are long and lie in a row.
EACH_PROCESSOR
void tg_resize_rows(uint8_t *rows, int row_stride, uint8_t *block, const uint8_t *src, int stride, int n, int used, int outputs, int width,
	const int32_t *first, const int32_t *weights) {
	for (int from = 0; from < n; from += tg_rows_together) {
		int high = n - from < tg_rows_together ? n - from : tg_rows_together;
		turn(block, src + (int64_t)from * stride, stride, high, used);
		for (int x = 0; x < outputs; x++) {
			int32_t sums[tg_column];
			uint8_t out[tg_column];
			for (int k = 0; k < tg_column; k++)
				sums[k] = half_weight;
			for (int i = 0; i < width; i++) {
				const uint8_t *pixels = block + (int64_t)(first[x] + i) * tg_column;
				int32_t weight = weights[(int64_t)x * width + i];
				for (int k = 0; k < tg_column; k++)
					sums[k] += weight * pixels[k];
			}
			for (int k = 0; k < tg_column; k++)
				out[k] = rounded(sums[k]);
			uint8_t *to = rows + (int64_t)from * row_stride + 3 * x;
#pragma GCC unroll 8
			for (int y = 0; y < high; y++, to += row_stride)
				copy_pixel(to, out + 3 * y);
		}
	}
}

EACH_PROCESSOR
void tg_blend_rows(uint8_t *dst, const uint8_t *rows, int row_stride, int length, int outputs, int width, int top, const int32_t *first,
	const int32_t *weights) {
	enum { block = 64 };
	for (int y = 0; y < outputs; y++, dst += length, weights += width) {
		const uint8_t *from = rows + (int64_t)(first[y] - top) * row_stride;
		int i = 0;
		for (; i + block <= length; i += block) {
			int32_t sums[block];
			for (int k = 0; k < block; k++)
				sums[k] = half_weight;
			for (int j = 0; j < width; j++)
				for (int k = 0; k < block; k++)
					sums[k] += weights[j] * from[(int64_t)j * row_stride + i + k];
			for (int k = 0; k < block; k++)
				dst[i + k] = rounded(sums[k]);
		}
		for (; i < length; i++) {
			int32_t sum = half_weight;
			for (int j = 0; j < width; j++)
				sum += weights[j] * from[(int64_t)j * row_stride + i];
			dst[i] = rounded(sum);
		}
	}
}
