#include "resize.h"

#include <string.h>

enum { weight_bits = 22, half_weight = 1 << (weight_bits - 1) };

// A sum adds rows of tg_column bytes, step bytes apart, each by its weight. Integer sums in any order are the same number, so that each
// processor may do it its own way.
typedef void sum(uint8_t *to, const uint8_t *from, int64_t step, const int32_t *weights, int n);

static void sum_plainly(uint8_t *to, const uint8_t *from, int64_t step, const int32_t *weights, int n) {
	int32_t sums[tg_column];
	for (int k = 0; k < tg_column; k++)
		sums[k] = half_weight;
	for (int i = 0; i < n; i++, from += step)
		for (int k = 0; k < tg_column; k++)
			sums[k] += weights[i] * from[k];
	for (int k = 0; k < tg_column; k++) {
		int32_t value = sums[k] >> weight_bits;
		to[k] = value > 255 ? 255 : value;
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static void sum_avx2(uint8_t *to, const uint8_t *from, int64_t step, const int32_t *weights, int n) {
	enum { vectors = tg_column / 8 };
	__m256i sums[vectors];
	for (int v = 0; v < vectors; v++)
		sums[v] = _mm256_set1_epi32(half_weight);
	for (int i = 0; i < n; i++, from += step) {
		__m256i weight = _mm256_set1_epi32(weights[i]);
		for (int v = 0; v < vectors; v++) {
			__m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(from + 8 * v)));
			sums[v] = _mm256_add_epi32(sums[v], _mm256_mullo_epi32(weight, bytes));
		}
	}
	for (int v = 0; v < vectors; v++)
		sums[v] = _mm256_srli_epi32(sums[v], weight_bits);
	// Packing works on halves of vectors, each with four sums of every vector; the permutation joins what belongs together.
	__m256i together = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	for (int v = 0; v < vectors; v += 4) {
		__m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(sums[v], sums[v + 1]), _mm256_packus_epi32(sums[v + 2], sums[v + 3]));
		_mm256_storeu_si256((__m256i *)(to + 8 * v), _mm256_permutevar8x32_epi32(bytes, together));
	}
}

static sum *chosen_sum(int plainly) { return !plainly && __builtin_cpu_supports("avx2") ? sum_avx2 : sum_plainly; }
#else
static sum *chosen_sum(int plainly) { return sum_plainly; }
#endif

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
void tg_resize_rows(int plainly, uint8_t *rows, int row_stride, uint8_t *block, const uint8_t *src, int stride, int n, int used, int outputs, int width,
	const int32_t *first, const int32_t *weights) {
	sum *sum = chosen_sum(plainly);
	for (int from = 0; from < n; from += tg_rows_together) {
		int high = n - from < tg_rows_together ? n - from : tg_rows_together;
		turn(block, src + (int64_t)from * stride, stride, high, used);
		for (int x = 0; x < outputs; x++) {
			uint8_t out[tg_column], *to = rows + (int64_t)from * row_stride + 3 * x;
			sum(out, block + (int64_t)first[x] * tg_column, tg_column, weights + (int64_t)x * width, width);
#pragma GCC unroll 8
			for (int y = 0; y < high; y++, to += row_stride)
				copy_pixel(to, out + 3 * y);
		}
	}
}

// What is less than a column at the end of a row is summed with some of what stands before it once more.
void tg_blend_rows(int plainly, uint8_t *dst, const uint8_t *rows, int row_stride, int length, int outputs, int width, int top, const int32_t *first,
	const int32_t *weights) {
	sum *sum = chosen_sum(plainly);
	for (int y = 0; y < outputs; y++, dst += length, weights += width) {
		const uint8_t *from = rows + (int64_t)(first[y] - top) * row_stride;
		if (length < tg_column) {
			uint8_t out[tg_column];
			sum(out, from, row_stride, weights, width);
			memcpy(dst, out, length);
			continue;
		}
		for (int i = 0; i < length; i += tg_column) {
			int at = i < length - tg_column ? i : length - tg_column;
			sum(dst + at, from + at, row_stride, weights, width);
		}
	}
}
