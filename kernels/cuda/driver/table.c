//go:build cuda && cgo

#include "table.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>

// closed stands in for every function before its library is open.
static CUresult closed(void) { return CUDA_ERROR_NOT_INITIALIZED; }

#define NEEDED(name) ENTRY(name)
#define ENTRY(name) __attribute__((visibility("hidden"))) void *tg_slot_##name = (void *)closed;
#include "entries.h"
#undef ENTRY
#undef NEEDED

#define NEEDED(name) {#name, &tg_slot_##name, 1},
#define ENTRY(name) {#name, &tg_slot_##name, 0},
static const struct tg_entry entries[] = {
#include "entries.h"
};
const struct tg_entry *const tg_entries = entries;
const int tg_entry_count = sizeof entries / sizeof entries[0];

// disarmed stands in for cuInit, which gorgonia.org/cu calls before main.
static CUresult disarmed(unsigned int flags) {
  (void)flags;
  return CUDA_SUCCESS;
}

__attribute__((constructor)) static void disarm(void) { tg_slot_cuInit = (void *)disarmed; }

void *tg_load(const char *library, char *error, int error_bytes) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    snprintf(error, error_bytes, "%s", dlerror());
  }
  return handle;
}

int tg_bind(void *library, int i) {
  void *found = dlsym(library, entries[i].name);
  if (found) {
    *entries[i].slot = found;
  }
  return found != 0;
}
