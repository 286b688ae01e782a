#include "resize.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BITS = 14, HALF = 1 << (BITS - 1) };

// narrow_one is one value: a stretch of a line, weighted.
static inline uint8_t narrow_one(const uint8_t *line, int width, const int16_t *weights) {
	int32_t sum = HALF;
	for (int j = 0; j < width; j++)
		sum += weights[j] * line[j];
	return (uint8_t)(sum >> BITS);
}

#ifdef __SSE2__
// two_stretches holds four pixels of each of two stretches as 16-bit numbers.
static inline __m128i two_stretches(const uint8_t *a, const uint8_t *b) {
	int32_t four, other;
	memcpy(&four, a, 4);
	memcpy(&other, b, 4);
	return _mm_unpacklo_epi8(_mm_unpacklo_epi32(_mm_cvtsi32_si128(four), _mm_cvtsi32_si128(other)), _mm_setzero_si128());
}

static inline __m128i two_weights(const int16_t *a, const int16_t *b) {
	return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)a), _mm_loadl_epi64((const __m128i *)b));
}

// narrow_four is four values at once; the width is a multiple of 4.
static inline void narrow_four(uint8_t *out, const uint8_t *line, int width, const int32_t *first, const int16_t *w) {
	__m128i ab = _mm_setzero_si128(), cd = ab;
	for (int j = 0; j < width; j += 4) {
		ab = _mm_add_epi32(ab, _mm_madd_epi16(two_stretches(line + first[0] + j, line + first[1] + j), two_weights(w + j, w + width + j)));
		cd = _mm_add_epi32(cd, _mm_madd_epi16(two_stretches(line + first[2] + j, line + first[3] + j), two_weights(w + 2 * width + j, w + 3 * width + j)));
	}
	__m128i even = _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(ab), _mm_castsi128_ps(cd), 0x88));
	__m128i odd = _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(ab), _mm_castsi128_ps(cd), 0xdd));
	__m128i sums = _mm_srai_epi32(_mm_add_epi32(_mm_add_epi32(even, odd), _mm_set1_epi32(HALF)), BITS);
	sums = _mm_packs_epi32(sums, sums);
	int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(sums, sums));
	memcpy(out, &four, 4);
}
#endif

static void narrow_row(uint8_t *out, const uint8_t *line, int n, int width, const int32_t *first, const int16_t *weights) {
	int i = 0;
#ifdef __SSE2__
	if (width == 4)
		for (; i + 4 <= n; i += 4)
			narrow_four(out + i, line, 4, first + i, weights + 4l * i);
	else if (width % 4 == 0)
		for (; i + 4 <= n; i += 4)
			narrow_four(out + i, line, width, first + i, weights + (long)width * i);
#endif
	for (; i < n; i++)
		out[i] = narrow_one(line + first[i], width, weights + (long)i * width);
}

void tg_ingest_narrow(uint8_t *out, const uint8_t *pix, int stride, int rows, int n, int width, const int32_t *first, const int16_t *weights) {
	for (int y = 0; y < rows; y++)
		narrow_row(out + (long)y * n, pix + (long)y * stride, n, width, first, weights);
}

// lower_row is one row: rows below each other, weighted. Rows without weight are left out at both ends.
static void lower_row(uint8_t *out, const uint8_t *rows, int stride, int width, const int16_t *weights) {
	while (width > 0 && weights[width - 1] == 0)
		width--;
	while (width > 0 && weights[0] == 0)
		weights++, rows += stride, width--;
	int i = 0;
#ifdef __SSE2__
	const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(HALF);
	for (; i + 8 <= stride; i += 8) {
		__m128i low = half, high = half;
		for (int j = 0; j < width; j += 2) {
			int two = j + 1 < width;
			__m128i pair = _mm_set1_epi32((uint16_t)weights[j] | (two ? (uint32_t)(uint16_t)weights[j + 1] << 16 : 0));
			__m128i a = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(rows + (long)j * stride + i)), zero);
			__m128i b = two ? _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(rows + (long)(j + 1) * stride + i)), zero) : zero;
			low = _mm_add_epi32(low, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), pair));
			high = _mm_add_epi32(high, _mm_madd_epi16(_mm_unpackhi_epi16(a, b), pair));
		}
		__m128i sums = _mm_packs_epi32(_mm_srai_epi32(low, BITS), _mm_srai_epi32(high, BITS));
		_mm_storel_epi64((__m128i *)(out + i), _mm_packus_epi16(sums, sums));
	}
#endif
	for (; i < stride; i++) {
		int32_t sum = HALF;
		for (int j = 0; j < width; j++)
			sum += weights[j] * rows[(long)j * stride + i];
		out[i] = (uint8_t)(sum >> BITS);
	}
}

void tg_ingest_lower(uint8_t *out, const uint8_t *rows, int stride, int n, int width, const int32_t *first, const int16_t *weights) {
	for (int y = 0; y < n; y++)
		lower_row(out + (long)y * stride, rows + (long)first[y] * stride, stride, width, weights + (long)y * width);
}
