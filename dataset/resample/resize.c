#include "resize.h"

#include <string.h>

// Integer sums in any order are the same number, so the compiler may vectorise as it likes, and each processor gets its own code.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define EACH_PROCESSOR __attribute__((target_clones("avx2", "sse4.1", "default")))
#else
#define EACH_PROCESSOR
#endif

enum { weight_bits = 22, half_weight = 1 << (weight_bits - 1) };

typedef int32_t four __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));

static inline int32_t rounded(int32_t sum) {
	sum >>= weight_bits;
	return sum > 255 ? 255 : sum;
}

// A pixel is one vector: red, green, blue and the red of its neighbour, which nobody reads.
EACH_PROCESSOR
void tg_resize_rows(uint8_t *rows, uint8_t *line, const uint8_t *src, int stride, int n, int used, int outputs, int width,
	const int32_t *first, const int32_t *weights) {
	for (int y = 0; y < n; y++, src += stride) {
		memcpy(line, src, used);
		for (int x = 0; x < outputs; x++, rows += 3) {
			four sum = {half_weight, half_weight, half_weight, half_weight};
			const uint8_t *pixel = line + 3 * first[x];
			const int32_t *weight = weights + (int64_t)x * width;
			for (int i = 0; i < width; i++) {
				four_bytes p;
				memcpy(&p, pixel + 3 * i, 4);
				sum += __builtin_convertvector(p, four) * weight[i];
			}
			for (int c = 0; c < 3; c++)
				rows[c] = rounded(sum[c]);
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
