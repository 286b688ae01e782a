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

enum { together = 16, lanes = 3 * together };

// turned copies a column of pixels beside each other, for every column of up to 16 rows: [used][16][3].
static void turned(uint8_t *block, const uint8_t *src, int stride, int n, int used) {
	for (int y = 0; y < n; y++, src += stride)
		for (int x = 0; x < used; x++)
			memcpy(block + (int64_t)x * lanes + 3 * y, src + 3 * x, 3);
}

// Sixteen rows share every weight: an output is a sum of vectors that are long and lie in a row.
EACH_PROCESSOR
void tg_resize_rows(uint8_t *rows, uint8_t *block, const uint8_t *src, int stride, int n, int used, int outputs, int width,
	const int32_t *first, const int32_t *weights) {
	for (int from = 0; from < n; from += together) {
		int high = n - from < together ? n - from : together;
		turned(block, src + (int64_t)from * stride, stride, high, used);
		for (int x = 0; x < outputs; x++) {
			int32_t sums[lanes];
			uint8_t out[lanes];
			for (int k = 0; k < lanes; k++)
				sums[k] = half_weight;
			for (int i = 0; i < width; i++) {
				const uint8_t *pixels = block + (int64_t)(first[x] + i) * lanes;
				int32_t weight = weights[(int64_t)x * width + i];
				for (int k = 0; k < lanes; k++)
					sums[k] += weight * pixels[k];
			}
			for (int k = 0; k < lanes; k++)
				out[k] = rounded(sums[k]);
			for (int y = 0; y < high; y++)
				memcpy(rows + ((int64_t)(from + y) * outputs + x) * 3, out + 3 * y, 3);
		}
	}
}

EACH_PROCESSOR
void tg_blend_rows(uint8_t *dst, const uint8_t *rows, int length, int outputs, int width, int top, const int32_t *first,
	const int32_t *weights) {
	enum { block = 64 };
	for (int y = 0; y < outputs; y++, dst += length, weights += width) {
		const uint8_t *from = rows + (int64_t)(first[y] - top) * length;
		int i = 0;
		for (; i + block <= length; i += block) {
			int32_t sums[block];
			for (int k = 0; k < block; k++)
				sums[k] = half_weight;
			for (int j = 0; j < width; j++)
				for (int k = 0; k < block; k++)
					sums[k] += weights[j] * from[(int64_t)j * length + i + k];
			for (int k = 0; k < block; k++)
				dst[i + k] = rounded(sums[k]);
		}
		for (; i < length; i++) {
			int32_t sum = half_weight;
			for (int j = 0; j < width; j++)
				sum += weights[j] * from[(int64_t)j * length + i];
			dst[i] = rounded(sum);
		}
	}
}
