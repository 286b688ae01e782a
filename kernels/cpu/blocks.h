// Cutting work into blocks, by its size alone.
#ifndef TG_BLOCKS_H
#define TG_BLOCKS_H

enum { tg_block_elements = 32768 }; // 128 KiB of floats: some ten microseconds of simple work

static inline long tg_min(long a, long b) { return a < b ? a : b; }

// tg_blocks returns how many blocks of size hold n.
static inline long tg_blocks(long n, long size) { return (n + size - 1) / size; }

// tg_rows_per_block returns how many rows of cols floats make a block.
static inline long tg_rows_per_block(long cols) { return cols >= tg_block_elements ? 1 : tg_block_elements / (cols < 1 ? 1 : cols); }

#endif
