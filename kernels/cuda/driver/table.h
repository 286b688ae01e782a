// The table of driver functions behind jump.S.
#ifndef TG_TABLE_H
#define TG_TABLE_H

struct tg_entry {
  const char *name;
  void **slot;
  int needed;
};

extern const struct tg_entry *const tg_entries;
extern const int tg_entry_count;

// tg_load opens the library and returns its handle, or 0 with a text in error.
void *tg_load(const char *library, char *error, int error_bytes);

// tg_bind points entry i at the library's function. It returns 0 where the library has none: the entry then goes on
// returning CUDA_ERROR_NOT_INITIALIZED.
int tg_bind(void *library, int i);

#endif
