#include <stdint.h>

// tg_warp fetches every pixel of dst from where map points in src, bilinearly, and fill from outside. Both are width x height. It uses
// the processor's vectors unless told to work plainly.
void tg_warp(int plainly, uint8_t *dst, const uint8_t *src, int width, int height, const double *map, const uint8_t *fill);
