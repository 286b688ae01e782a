// Arguments of tokens.cu.
#ifndef TG_TOKENS_H
#define TG_TOKENS_H

#include "args.h"

// x [batch, length, width] = the class row and the patch rows, plus positions.
struct tg_image_tokens {
  TG_PTR(float) x;
  TG_PTR(const float) patches;
  TG_PTR(const float) class_row;
  TG_PTR(const float) position;
  int64_t batch, length, width;
};

// dpatches = and dclass +=, dposition +=, each where it is not null.
struct tg_image_tokens_backward {
  TG_PTR(float) dpatches;
  TG_PTR(float) dclass;
  TG_PTR(float) dposition;
  TG_PTR(const float) dx;
  int64_t batch, length, width;
};

// x [rows, width] = table[tokens[i]] + position[i % length]; the table has `words` rows.
struct tg_embed_tokens {
  TG_PTR(float) x;
  TG_PTR(const int32_t) tokens;
  TG_PTR(const float) table;
  TG_PTR(const float) position;
  int64_t rows, length, width, words;
};

// dtable += and dposition += of dx [rows, width], in the order of rows.
struct tg_embed_tokens_backward {
  TG_PTR(float) dtable;
  TG_PTR(float) dposition;
  TG_PTR(const int32_t) tokens;
  TG_PTR(const float) dx;
  int64_t rows, length, width;
};

#endif
