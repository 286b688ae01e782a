// Device memory is host memory between pages that fault. It is full of NaN (0xff) when it is handed out, and what has
// been freed faults: addresses are not used again.
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <mutex>

#include "runtime.h"

namespace tg {

constexpr size_t kPage = 4096, kAlignment = 256;
constexpr size_t kPattern = 4 << 20;

struct Allocation {
  size_t bytes;
  char *map;
  size_t mapped;
};

struct Table {
  std::mutex mutex;
  std::map<const char *, Allocation> live;
  std::string damage;
  int pattern = -1;
};

static Table &table() {
  static Table *t = new Table;
  return *t;
}

// pattern is a file of 0xff. Mapping it privately gives memory that is full of NaN and costs nothing until it is
// written.
static int pattern(Table &t) {
  if (t.pattern >= 0) return t.pattern;
  t.pattern = memfd_create("emulator-nan", MFD_CLOEXEC);
  const std::string block(kPage, '\xff');
  for (size_t at = 0; at < kPattern; at += kPage) {
    if (write(t.pattern, block.data(), kPage) != (ssize_t)kPage) abort();
  }
  return t.pattern;
}

// An allocation ends at the end of its last page, up to its alignment, so that reading past it faults at once.
void *allocate(size_t bytes) {
  Table &t = table();
  std::lock_guard<std::mutex> lock(t.mutex);
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t body = (rounded + kPage - 1) / kPage * kPage;
  const size_t mapped = body + 2 * kPage;
  char *map = (char *)mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  for (size_t at = 0; at < body; at += kPattern) {
    const size_t n = std::min(kPattern, body - at);
    if (mmap(map + kPage + at, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, pattern(t), 0) ==
        MAP_FAILED) {
      munmap(map, mapped);
      return nullptr;
    }
  }
  char *start = map + kPage + body - rounded;
  t.live[start] = {bytes, map, mapped};
  return start;
}

static bool intact(const char *from, const char *to) {
  while (from < to && (unsigned char)*from == 0xff) from++;
  return from == to;
}

size_t release(void *address) {
  Table &t = table();
  std::lock_guard<std::mutex> lock(t.mutex);
  const auto found = t.live.find((const char *)address);
  if (found == t.live.end()) return 0;
  const Allocation a = found->second;
  const char *start = found->first, *end = a.map + a.mapped - kPage;
  if (!intact(a.map + kPage, start) || !intact(start + a.bytes, end)) {
    t.damage = "written outside the allocation of " + std::to_string(a.bytes) + " bytes that is freed here";
  }
  t.live.erase(found);
  mmap(a.map, a.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return a.bytes;
}

std::string damage() {
  Table &t = table();
  std::lock_guard<std::mutex> lock(t.mutex);
  std::string d;
  d.swap(t.damage);
  return d;
}

size_t allocationOf(const void *address, const void **start) {
  Table &t = table();
  std::lock_guard<std::mutex> lock(t.mutex);
  auto after = t.live.upper_bound((const char *)address);
  if (after == t.live.begin()) return 0;
  --after;
  if ((const char *)address >= after->first + after->second.bytes) return 0;
  if (start != nullptr) *start = after->first;
  return after->second.bytes;
}

// describe is called in a signal handler: the table's lock is free there, because kernels never hold it.
std::string describe(const void *address) {
  const char *p = (const char *)address;
  char line[160];
  for (const auto &entry : table().live) {
    const char *start = entry.first, *end = start + entry.second.bytes;
    if (p >= start - kPage && p < end + kPage) {
      const bool before = p < start;
      snprintf(line, sizeof line, "%td bytes %s the allocation of %zu bytes at %p", before ? start - p : p - end,
               before ? "before" : "after the end of", entry.second.bytes, (const void *)start);
      return line;
    }
  }
  return "in no allocation";
}

}  // namespace tg
