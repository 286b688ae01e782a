#include <stdint.h>

enum { tg_rows_together = 21, tg_column = 64 }; // 21 rows of three bytes, and one over

// Both functions use the processor's vectors unless told to work plainly.

// tg_resize_rows scales n rows of src, stride bytes apart, to outputs pixels each. Its rows begin every row_stride bytes, at least one
// more than they have. block is scratch: tg_column bytes for each pixel that is used.
void tg_resize_rows(int plainly, uint8_t *rows, int row_stride, uint8_t *block, const uint8_t *src, int stride, int n, int used, int outputs, int width,
	const int32_t *first, const int32_t *weights);

// tg_blend_rows sums rows of the given length: outputs of them, each from width rows that begin at first[i] - top. It may read
// tg_column bytes from the begin of a row, however short.
void tg_blend_rows(int plainly, uint8_t *dst, const uint8_t *rows, int row_stride, int length, int outputs, int width, int top, const int32_t *first,
	const int32_t *weights);
