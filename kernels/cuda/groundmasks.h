// Arguments of groundmasks.cu.
#ifndef TG_GROUNDMASKS_H
#define TG_GROUNDMASKS_H

#include "args.h"

// One tile of texts on one group of images, for all kernels of the mask operations. Planes [images, tile, places] are
// working space: of a group's image i, text j of the tile has row i*tile + j.
struct tg_ground {
  TG_PTR(const float) pixels;        // v [images, places, channels]
  TG_PTR(const float) pixel_inverse; // 1/max(|v|, floor) [images, places]
  TG_PTR(const float) texts;         // t [count, channels]
  TG_PTR(const float) text_inverse;  // [count]
  TG_PTR(const float) scale;
  TG_PTR(const float) bias;
  TG_PTR(float) similarity; // s planes, which become dl*s; may be null
  TG_PTR(float) masks;      // m planes; may be null
  TG_PTR(float) slopes;     // planes of w*dl/(|v||t|)
  TG_PTR(float) pooled;     // sum_p m v, which becomes df/A [images, tile, channels]
  TG_PTR(float) along;      // <f, df>/A [images, tile]
  TG_PTR(double) parts;     // forward [images, tile, 2]: mass and variation; backward one a block: sums of dl
  TG_PTR(double) sums;      // kernels.MaskResults.Sums
  TG_PTR(double) bias_sum;  // sum of dl over all tiles so far
  TG_PTR(float) projection; // sum_j dl*s over all tiles so far [images, places]
  TG_PTR(float) scores;     // S or dS, rows of all_texts, at this group's first image and this tile's first text
  TG_PTR(const float) dhard; // [images, places], as soft
  TG_PTR(const float) soft;
  TG_PTR(float) dpixels; // [images, places, channels]
  double per_positive, per_negative, per_x, per_y; // weights of a value in sums
  int64_t all_texts, part_count;
  int32_t images, height, width, channels, count, tile; // count texts of at most tile
  int32_t own;   // image i's own text is number own + i of the tile, if it lies there
  int32_t opens;  // whether this is the first tile and group: sums begin
  int32_t begins; // whether this is the first tile of these images, and
  int32_t last;   // the last one
  float area_pos, area_neg, tv_x, tv_y, tau;
};

// draw_masks: hard and soft masks [images, places] of each image's own text, from t at the first image's.
struct tg_draw_masks {
  TG_PTR(float) hard;
  TG_PTR(float) soft;
  TG_PTR(const float) pixels;
  TG_PTR(const float) texts;
  TG_PTR(const float) scale;
  TG_PTR(const float) bias;
  TG_PTR(const float) noise;
  int64_t images, places, channels;
  float tau;
};

// unground_scalars: dscale and dbias of projection [n] and bias_sum.
struct tg_unground_scalars {
  TG_PTR(float) dscale;
  TG_PTR(float) dbias;
  TG_PTR(const float) projection;
  TG_PTR(const double) bias_sum;
  int64_t n;
};

#endif
