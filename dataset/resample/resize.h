#include <stdint.h>

// tg_resize_rows scales n rows of src, stride bytes apart, to outputs pixels each. block is scratch for
// sixteen rows of the pixels that are used.
void tg_resize_rows(uint8_t *rows, uint8_t *block, const uint8_t *src, int stride, int n, int used, int outputs, int width,
	const int32_t *first, const int32_t *weights);

// tg_blend_rows sums rows of the given length: outputs of them, each from width rows that begin at first[i] - top.
void tg_blend_rows(uint8_t *dst, const uint8_t *rows, int length, int outputs, int width, int top, const int32_t *first,
	const int32_t *weights);
