#include <stdint.h>

// Rows of one channel made narrower, and rows made fewer, as resize.go has it, which also says what taps are. Weights sum to
// 1 << 14, and the results are the integers of the Go code.
void tg_ingest_narrow(uint8_t *out, const uint8_t *pix, int stride, int rows, int n, int width, const int32_t *first, const int16_t *weights);
void tg_ingest_lower(uint8_t *out, const uint8_t *rows, int stride, int n, int width, const int32_t *first, const int16_t *weights);
