#include "warp.h"

#include <string.h>

// Go rounds twice where a processor could multiply and add at once. GCC does so in ISO mode, clang by the pragma.
#if !defined(__STRICT_ANSI__)
#error "compile with -std=c11, where a*b + c stays two roundings"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

// A place is what an output pixel is mixed from: the first of four pixels of src, how far the others are from it in bytes, and how far the
// place itself is in pixels.
typedef struct {
	int32_t first, right, below;
	double fx, fy;
} place;

typedef struct {
	int width, height;
	const double *map;
} picture;

static inline int at_least(int n, int low) { return n < low ? low : n; }
static inline int at_most(int n, int high) { return n > high ? high : n; }

// locate maps an output pixel and tells whether that is in the picture. The order of sums is Go's.
static inline int locate(place *to, picture p, int row, int column) {
	const double *map = p.map, px = column + 0.5, py = row + 0.5;
	double x = map[0] * px + map[1] * py + map[2], y = map[3] * px + map[4] * py + map[5];
	if (!(x >= 0 && x < p.width && y >= 0 && y < p.height))
		return 0;
	x -= 0.5;
	y -= 0.5;
	int left = (int)x - (x < 0), top = (int)y - (y < 0);
	int x0 = at_least(left, 0), y0 = at_least(top, 0);
	to->first = 3 * (y0 * p.width + x0);
	to->right = 3 * (at_most(left + 1, p.width - 1) - x0);
	to->below = 3 * p.width * (at_most(top + 1, p.height - 1) - y0);
	to->fx = x - left;
	to->fy = y - top;
	return 1;
}

static inline double mix(double a, double b, double t) { return a + (b - a) * t; }

static inline void sample_plainly(uint8_t *to, const uint8_t *src, place p) {
	const uint8_t *upper = src + p.first, *lower = upper + p.below;
	for (int c = 0; c < 3; c++)
		to[c] = mix(mix(upper[c], upper[p.right + c], p.fx), mix(lower[c], lower[p.right + c], p.fx), p.fy);
}

static void warp_plainly(uint8_t *dst, const uint8_t *src, picture p, const uint8_t *fill) {
	place at;
	for (int row = 0; row < p.height; row++)
		for (int column = 0; column < p.width; column++, dst += 3)
			if (locate(&at, p, row, column))
				sample_plainly(dst, src, at);
			else
				memcpy(dst, fill, 3);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2"))) static inline

// Four places, each number of them beside each other.
typedef struct {
	int inside; // a bit each
	int32_t first[4], right[4], below[4];
	double fx[4], fy[4];
} four_places;

// split rounds positions down to pixels, from -1 on, and returns the rest.
AVX2 __m256d split(__m256d position, __m128i *pixel) {
	__m256d t = _mm256_sub_pd(position, _mm256_set1_pd(0.5)), down = _mm256_floor_pd(t);
	*pixel = _mm256_cvttpd_epi32(down);
	return _mm256_sub_pd(t, down);
}

AVX2 __m256d within(__m256d position, int size) {
	return _mm256_and_pd(_mm256_cmp_pd(position, _mm256_setzero_pd(), _CMP_GE_OQ), _mm256_cmp_pd(position, _mm256_set1_pd(size), _CMP_LT_OQ));
}

AVX2 __m256d along(double a, __m256d px, double b_py, double c) {
	return _mm256_add_pd(_mm256_add_pd(_mm256_mul_pd(_mm256_set1_pd(a), px), _mm256_set1_pd(b_py)), _mm256_set1_pd(c));
}

// locate_avx2 is locate for four columns. Those outside get the first pixel.
AVX2 void locate_avx2(four_places *to, picture p, int row, int column) {
	const double *map = p.map, py = row + 0.5;
	__m256d px = _mm256_add_pd(_mm256_set1_pd(column), _mm256_setr_pd(0.5, 1.5, 2.5, 3.5));
	__m256d x = along(map[0], px, map[1] * py, map[2]), y = along(map[3], px, map[4] * py, map[5]);
	__m256d inside = _mm256_and_pd(within(x, p.width), within(y, p.height));
	__m128i left, top, one = _mm_set1_epi32(1), none = _mm_setzero_si128();
	_mm256_storeu_pd(to->fx, split(_mm256_and_pd(x, inside), &left));
	_mm256_storeu_pd(to->fy, split(_mm256_and_pd(y, inside), &top));
	__m128i x0 = _mm_max_epi32(left, none), x1 = _mm_min_epi32(_mm_add_epi32(left, one), _mm_set1_epi32(p.width - 1));
	__m128i y0 = _mm_max_epi32(top, none), y1 = _mm_min_epi32(_mm_add_epi32(top, one), _mm_set1_epi32(p.height - 1));
	__m128i three = _mm_set1_epi32(3), stride = _mm_set1_epi32(3 * p.width);
	_mm_storeu_si128((__m128i *)to->first, _mm_add_epi32(_mm_mullo_epi32(y0, stride), _mm_mullo_epi32(x0, three)));
	_mm_storeu_si128((__m128i *)to->right, _mm_mullo_epi32(_mm_sub_epi32(x1, x0), three));
	_mm_storeu_si128((__m128i *)to->below, _mm_mullo_epi32(_mm_sub_epi32(y1, y0), stride));
	to->inside = _mm256_movemask_pd(inside);
}

AVX2 __m256d colours(const uint8_t *pixel) {
	int32_t bytes;
	memcpy(&bytes, pixel, 4);
	return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
}

AVX2 __m256d mix_colours(__m256d a, __m256d b, __m256d t) { return _mm256_add_pd(a, _mm256_mul_pd(_mm256_sub_pd(b, a), t)); }

// sample_avx2 mixes the three colours of a pixel, and a byte behind it, side by side.
AVX2 void sample_avx2(uint8_t *to, const uint8_t *src, const four_places *p, int k) {
	const uint8_t *upper = src + p->first[k], *lower = upper + p->below[k];
	int right = p->right[k];
	__m256d fx = _mm256_broadcast_sd(&p->fx[k]), fy = _mm256_broadcast_sd(&p->fy[k]);
	__m256d u = mix_colours(colours(upper), colours(upper + right), fx), l = mix_colours(colours(lower), colours(lower + right), fx);
	__m128i whole = _mm256_cvttpd_epi32(mix_colours(u, l, fy));
	const __m128i lowest = _mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
	int32_t bytes = _mm_cvtsi128_si32(_mm_shuffle_epi8(whole, lowest));
	memcpy(to, &bytes, 3);
}

__attribute__((target("avx2"))) static void warp_avx2(uint8_t *dst, const uint8_t *src, picture p, const uint8_t *fill) {
	int last = 3 * (p.width * p.height - 1); // no byte stands behind this pixel
	for (int row = 0; row < p.height; row++)
		for (int column = 0; column < p.width; column += 4) {
			four_places at;
			locate_avx2(&at, p, row, column);
			for (int k = 0; k < at_most(p.width - column, 4); k++, dst += 3)
				if (!(at.inside >> k & 1))
					memcpy(dst, fill, 3);
				else if (at.first[k] + at.below[k] + at.right[k] < last)
					sample_avx2(dst, src, &at, k);
				else
					sample_plainly(dst, src, (place){at.first[k], at.right[k], at.below[k], at.fx[k], at.fy[k]});
		}
}

static int has_vectors(void) { return __builtin_cpu_supports("avx2"); }
#else
static int has_vectors(void) { return 0; }
#define warp_avx2 warp_plainly
#endif

void tg_warp(int plainly, uint8_t *dst, const uint8_t *src, int width, int height, const double *map, const uint8_t *fill) {
	picture p = {width, height, map};
	(plainly || !has_vectors() ? warp_plainly : warp_avx2)(dst, src, p, fill);
}
