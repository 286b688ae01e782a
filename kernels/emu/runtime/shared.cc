// Static shared memory. The kernels' __shared__ variables are thread locals of this library, so one host thread's
// copy of them is one stretch of memory: the library's thread-local segment. It is filled with NaN before each block,
// and consulted where an address must be one of shared memory. Under AddressSanitizer they are ordinary statics, in
// the data segment.
#include <elf.h>
#include <link.h>

#include "block.h"

namespace tg {

// Without a thread local of its own the library's segment might not exist; touching it makes the host thread's copy.
static thread_local volatile char anchor;

constexpr size_t kLine = 256;

static int findSegment(struct dl_phdr_info *info, size_t, void *data) {
  const char *inside = (const char *)&findSegment;
  bool ours = false;
  Runner *r = (Runner *)data;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto &h = info->dlpi_phdr[i];
    char *start = (char *)info->dlpi_addr + h.p_vaddr;
    if (h.p_type == PT_LOAD && inside >= start && inside < start + h.p_memsz) ours = true;
#ifdef TG_EMU_ASAN
    if (h.p_type == PT_LOAD && (h.p_flags & PF_W) != 0) {
      r->statics = (unsigned char *)start;
      r->staticBytes = h.p_memsz;
    }
#else
    if (h.p_type == PT_TLS) {
      r->statics = (unsigned char *)info->dlpi_tls_data;
      r->staticBytes = h.p_memsz;
    }
#endif
  }
  return ours;
}

void findStatics(Runner *r) {
  anchor = 0;
  dl_iterate_phdr(findSegment, r);
}

#ifdef TG_EMU_ASAN
void poisonStatics(Runner *, bool) {}
void noteTouched(Runner *) {}
#else
static size_t lineEnd(const Runner *r, size_t line) { return std::min((line + 1) * kLine, r->staticBytes); }

// The variables of all kernels are far more than one kernel's: so the first block of a kernel's first launch, and of
// every kLearnAgain-th, finds all of them full of NaN and shows by what it leaves there which of them are its own.
constexpr unsigned kLearnAgain = 64;

void poisonStatics(Runner *r, bool first) {
  Habit &h = r->habits[r->work->kernel];
  if (first && h.launches % kLearnAgain == 0) {
    memset(r->statics, 0xff, r->staticBytes);
    return;
  }
  for (size_t line : h.lines) memset(r->statics + line * kLine, 0xff, lineEnd(r, line) - line * kLine);
}

void noteTouched(Runner *r) {
  Habit &h = r->habits[r->work->kernel];
  if (h.launches++ % kLearnAgain != 0) return;
  h.lines.clear();
  for (size_t line = 0; line * kLine < r->staticBytes; line++) {
    const unsigned char *p = r->statics + line * kLine, *end = r->statics + lineEnd(r, line);
    while (p < end && *p == 0xff) p++;
    if (p < end) h.lines.push_back(line);
  }
}
#endif

static bool within(const void *address, size_t bytes, const unsigned char *start, size_t size) {
  const unsigned char *p = (const unsigned char *)address;
  return p >= start && bytes <= size && (size_t)(p - start) <= size - bytes;
}

bool inShared(const void *address, size_t bytes) {
  const Runner *r = ((const Thread *)self())->runner;
  return within(address, bytes, r->shared, r->work->shared) || within(address, bytes, r->statics, r->staticBytes);
}

}  // namespace tg
