// Barriers that count bulk copies, the copies, and products of warpgroups.
#include "hopper.h"

#include "tensormap.h"

namespace tg {

static Thread *running() { return (Thread *)self(); }

static Runner *enter(Site site) {
  Runner *r = running()->runner;
  const int sm = r->work->sm;
  if (sm < 90) fail(site, "Hopper's engines on a card of compute capability %d.%d", sm / 10, sm % 10);
  r->usesHopper = true;
  return r;
}

static Engine &engineOf(Runner *r, Thread *t) { return r->hopper->engines[t->number]; }

uint32_t sharedAddress(const void *p, Site site) {
  Runner *r = running()->runner;
  const size_t at = (const unsigned char *)p - r->shared;
  const bool before = (const unsigned char *)p < r->shared;
  if (before || at >= r->work->shared) fail(site, "%p is not in dynamic shared memory", p);
  return (uint32_t)at;
}

// Barriers.

constexpr uint64_t kTag = 0x7261427400000000;

static void checkPlace(mbarrier *b, Site site) {
  if ((uintptr_t)b % 8 == 0 && inShared(b, sizeof *b)) return;
  fail(site, "the mbarrier %p is not 8 aligned bytes of shared memory", (void *)b);
}

static Counter &counterOf(Runner *r, mbarrier *b, Site site) {
  checkPlace(b, site);
  const uint64_t number = b->word ^ kTag;
  if (number >= r->hopper->counters.size() || r->hopper->counters[number].place != b) {
    fail(site, "the mbarrier has not begun, or was overwritten");
  }
  if (!r->hopper->begun) fail(site, "the mbarrier is used before mbarrier_begun");
  return r->hopper->counters[number];
}

void mbarrierBegin(mbarrier *b, int arrivals, Site site) {
  Runner *r = enter(site);
  checkPlace(b, site);
  b->word = kTag ^ r->hopper->counters.size();
  r->hopper->counters.push_back({b, arrivals, arrivals, 0, 0, {}});
  r->hopper->begun = false;
}

void mbarrierBegun() { running()->runner->hopper->begun = true; }

void asyncFence() { running()->runner->hopper->asyncFence = true; }

// settle ends the phase where nothing of it is missing. Whoever waits goes on, and has to look again.
static void settle(Runner *r, Counter &c) {
  if (c.missing != 0 || c.missingBytes != 0) return;
  c.phase++;
  c.missing = c.arrivals;
  for (Thread *t : c.waiting) makeReady(r, t);
  c.waiting.clear();
}

void mbarrierArrive(mbarrier *b, int bytes, Site site) {
  Runner *r = enter(site);
  Counter &c = counterOf(r, b, site);
  if (c.missing == 0) fail(site, "the mbarrier has had all %d arrivals of its phase", c.arrivals);
  c.missing--;
  c.missingBytes += bytes;
  settle(r, c);
}

void mbarrierWait(mbarrier *b, int parity, Site site) {
  Runner *r = enter(site);
  for (;;) {
    Counter &c = counterOf(r, b, site);
    if ((c.phase & 1) != (unsigned)parity) return;
    c.waiting.push_back(running());
    wait(r, "mbarrier_wait", 1 + (int)(&c - r->hopper->counters.data()), site);
  }
}

std::string describeCounter(const Runner *r, int number) {
  const Counter &c = r->hopper->counters[number - 1];
  char line[160];
  snprintf(line, sizeof line, " for the barrier at byte %td, phase %u, which lacks %d of %d arrivals and %lld bytes",
           (const unsigned char *)c.place - r->shared, c.phase, c.missing, c.arrivals, (long long)c.missingBytes);
  return line;
}

// Bulk copies.

static TensorMap read(const void *map, const Box &box, Site site) {
  TensorMap m;
  memcpy(&m, map, sizeof m);
  if (m.magic != kTensorMap) fail(site, "no tensor map at %p", map);
  if ((uintptr_t)map % 64 != 0) fail(site, "the tensor map %p is not at a multiple of 64 bytes", map);
  if (m.rank != box.rank) fail(site, "%d coordinates for a tensor map of %d dimensions", box.rank, m.rank);
  return m;
}

static size_t boxBytes(const TensorMap &m) {
  size_t bytes = m.elementBytes;
  for (int i = 0; i < m.rank; i++) bytes *= m.box[i];
  return bytes;
}

// swizzled moves 16-byte pieces within rows of 32, 64 or 128 bytes: the higher bits of an address choose the
// exchange.
static size_t swizzled(size_t at, int swizzle) { return at ^ ((at >> 7 & ((1u << swizzle) - 1)) << 4); }

static void checkTile(Runner *r, const void *tile, const TensorMap &m, Site site) {
  const uint32_t at = sharedAddress(tile, site);
  const size_t bytes = boxBytes(m);
  if (at + bytes > r->work->shared) fail(site, "a box of %zu bytes at byte %u ends outside shared memory", bytes, at);
  const uint32_t multiple = m.swizzle == 0 ? 128 : 128u << m.swizzle;
  if (at % multiple != 0) fail(site, "a box at byte %u of shared memory: want a multiple of %u", at, multiple);
}

// eachRow calls f with the global address of each row of the box (none where it is outside the tensor), and the row's
// number.
template <typename F>
static void eachRow(const TensorMap &m, const Box &box, F f) {
  uint32_t at[5] = {};
  for (size_t row = 0;; row++) {
    char *address = m.base;
    for (int i = 1; i < m.rank; i++) {
      const int64_t c = (int64_t)box.coordinates[i] + at[i];
      if (c < 0 || c >= (int64_t)m.sizes[i]) address = nullptr;
      if (address != nullptr) address += c * m.strides[i];
    }
    f(address, row);
    int i = 1;
    while (i < m.rank && ++at[i] == m.box[i]) at[i++] = 0;
    if (i == m.rank) return;
  }
}

// eachPiece calls f for every 16 bytes of the box: their shared address, the global one, and which of them exist
// there.
template <typename F>
static void eachPiece(const TensorMap &m, const Box &box, unsigned char *shared, size_t tile, F f) {
  const int64_t inner = (int64_t)m.box[0] * m.elementBytes, size = (int64_t)m.sizes[0] * m.elementBytes;
  const int64_t first = (int64_t)box.coordinates[0] * m.elementBytes;
  eachRow(m, box, [&](char *row, size_t number) {
    for (int64_t piece = 0; piece < inner; piece += 16) {
      const int64_t at = first + piece;
      int64_t from = std::max((int64_t)0, -at), to = std::min((int64_t)16, size - at);
      if (row == nullptr || from >= to) from = to = 0;
      f(shared + swizzled(tile + number * inner + piece, m.swizzle), row + at, from, to);
    }
  });
}

void tmaLoad(void *dst, const void *map, mbarrier *b, Box box, Site site) {
  Runner *r = enter(site);
  const TensorMap m = read(map, box, site);
  checkTile(r, dst, m, site);
  counterOf(r, b, site);
  memset(dst, 0xff, boxBytes(m));  // from now on nobody may read what was there
  unsigned char *shared = r->shared;
  const size_t tile = (unsigned char *)dst - shared;
  r->late.push_back([=] {
    eachPiece(m, box, shared, tile, [](unsigned char *to, const char *from, int64_t first, int64_t end) {
      memset(to, 0, 16);
      if (end > first) memcpy(to + first, from + first, end - first);
    });
    Counter &c = counterOf(r, b, site);
    c.missingBytes -= boxBytes(m);
    settle(r, c);
  });
}

void tmaStore(const void *map, const void *src, Box box, Site site) {
  Runner *r = enter(site);
  const TensorMap m = read(map, box, site);
  checkTile(r, src, m, site);
  if (!r->hopper->asyncFence) fail(site, "tma_store, and no thread of the block has called async_fence");
  Engine &e = engineOf(r, running());
  unsigned char *shared = r->shared;
  const size_t tile = (const unsigned char *)src - shared;
  e.stores.push_back({[=] {
                        eachPiece(m, box, shared, tile, [](unsigned char *from, char *to, int64_t first, int64_t end) {
                          if (end > first) memcpy(to + first, from + first, end - first);
                        });
                      },
                      e.storeCommits});
}

void tmaStoreCommit() {
  Thread *t = running();
  engineOf(t->runner, t).storeCommits++;
}

void tmaStoreWait(int pending) {
  Thread *t = running();
  Engine &e = engineOf(t->runner, t);
  while (!e.stores.empty() && e.stores.front().commit < e.storeCommits - pending) {
    e.stores.front().happens();
    e.stores.erase(e.stores.begin());
  }
}

// Products.

void wgmmaFence() {
  Thread *t = running();
  engineOf(t->runner, t).fenced = true;
}

void wgmma(Product p) {
  Runner *r = enter(p.site);
  Engine &e = engineOf(r, running());
  if (!e.fenced) fail(p.site, "wgmma without a wgmma_fence since the last wgmma_wait");
  if (!p.accumulate) memset(p.d, 0xff, p.n / 2 * sizeof(float));  // until the product is done
  p.commit = e.commits;
  e.products.push_back(p);
}

void wgmmaCommit() {
  Thread *t = running();
  engineOf(t->runner, t).commits++;
}

static inline float widen(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float v;
  memcpy(&v, &wide, sizeof v);
  return v;
}

// element returns where an operand has row `row`, number k: descriptors as in hopper.cuh.
static float element(Runner *r, uint64_t descriptor, bool across, int row, int k, Site site) {
  size_t at = (descriptor & 0x3fff) << 4;
  const size_t leading = (descriptor >> 16 & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
  if (across) {
    at += row / 64 * leading + row % 64 * 2 + k / 8 * stride + k % 8 * 128;
  } else {
    at += row / 8 * stride + row % 8 * 128 + k * 2;
  }
  at = swizzled(at, 3);
  if (at + 2 > r->work->shared) fail(site, "wgmma reads byte %zu of shared memory, which has %zu", at, r->work->shared);
  return widen(*(const uint16_t *)(r->shared + at));
}

// eachSum calls f with every accumulator of a warpgroup's product, its row and its column.
template <typename F>
static void eachSum(Runner *r, int group, int n, size_t product, F f) {
  for (int i = 0; i < 128; i++) {
    float *d = r->hopper->engines[group * 128 + i].products[product].d;
    const int row = i / 32 * 16 + i % 32 / 4, col = i % 4 * 2;
    for (int j = 0; j < n / 2; j++) f(d[j], row + j % 4 / 2 * 8, col + j / 4 * 8 + j % 2);
  }
}

static void multiply(Runner *r, int group, size_t number) {
  Sums *sums = &r->hopper->sums;
  const Product &p = r->hopper->engines[group * 128].products[number];
  auto &a = r->hopper->left;
  auto &b = r->hopper->right;
  for (int k = 0; k < 16; k++) {
    for (int i = 0; i < 64; i++) a[i][k] = element(r, p.a, p.aAcross, i, k, p.site);
    for (int j = 0; j < p.n; j++) b[k][j] = element(r, p.b, p.bAcross, j, k, p.site);
  }
  eachSum(r, group, p.n, number, [&](float &d, int i, int j) { sums->v[i][j] = p.accumulate ? d : 0; });
  for (int i = 0; i < 64; i++) {
    for (int k = 0; k < 16; k++) {
      for (int j = 0; j < p.n; j++) sums->v[i][j] += a[i][k] * b[k][j];
    }
  }
  eachSum(r, group, p.n, number, [&](float &d, int i, int j) { d = sums->v[i][j]; });
}

static bool same(const Product &a, const Product &b) {
  return a.a == b.a && a.b == b.b && a.n == b.n && a.accumulate == b.accumulate && a.commit == b.commit;
}

// agree checks that the threads of a warpgroup have asked for the same products.
static void agree(Runner *r, int group, Site site) {
  const Engine *e = &r->hopper->engines[group * 128];
  for (int i = 1; i < 128; i++) {
    bool equal = e[i].products.size() == e[0].products.size() && e[i].commits == e[0].commits;
    for (size_t p = 0; equal && p < e[0].products.size(); p++) equal = same(e[i].products[p], e[0].products[p]);
    if (!equal) fail(site, "threads 0 and %d of warpgroup %d wait for different products", i, group);
  }
}

// The whole warpgroup meets here, because its products are one thing: a thread that returns may tell others that the
// tiles are free.
void wgmmaWait(int pending, Site site) {
  Runner *r = enter(site);
  Thread *t = running();
  const int group = t->number / 128;
  Warpgroup &w = r->hopper->groups[group];
  if (w.arrived == 0) w.pending = pending;
  if (w.pending != pending) fail(site, "wgmma_wait<%d> while others of the warpgroup wait for %d", pending, w.pending);
  if (++w.arrived < 128) {
    wait(r, "wgmma_wait", 0, site);
    return;
  }
  w.arrived = 0;
  agree(r, group, site);
  Engine *e = &r->hopper->engines[group * 128];
  size_t done = 0;
  while (done < e[0].products.size() && e[0].products[done].commit < e[0].commits - pending) multiply(r, group, done++);
  for (int i = 0; i < 128; i++) {
    e[i].products.erase(e[i].products.begin(), e[i].products.begin() + done);
    e[i].fenced = false;
    if (&r->threads[group * 128 + i] != t) makeReady(r, &r->threads[group * 128 + i]);
  }
}

void moveRegisters(int count, Site site) {
  Runner *r = enter(site);
  const bool fits = count >= 24 && count <= 256 && count % 8 == 0;
  if (!fits) fail(site, "%d registers: want a multiple of 8 from 24 to 256", count);
  r->hopper->groups[running()->number / 128].registers = count;
  const int groups = r->work->kernel->threads / 128;
  int all = 0;
  for (int g = 0; g < groups; g++) {
    const int own = r->hopper->groups[g].registers;
    if (own == 0) return;  // not yet known
    all += own;
  }
  if (all > 512) fail(site, "the warpgroups take %d registers a thread together: there are 512", all);
}

// Beginning and end.

void beginHopper(Runner *r) {
  if (!r->usesHopper) return;
  r->usesHopper = false;
  Hopper *h = r->hopper;
  h->counters.clear();
  for (Engine &e : h->engines) e = Engine();
  for (Warpgroup &w : h->groups) w = Warpgroup();
  h->begun = h->asyncFence = false;
}

std::string unfinished(const Runner *r, const Thread *t) {
  if (!r->usesHopper) return "";
  const Engine &e = r->hopper->engines[t->number];
  if (!e.products.empty()) return "ends before it has waited for its wgmma";
  if (!e.stores.empty()) return "ends before it has waited for its tma_store";
  return "";
}

Hopper *makeHopper() { return new Hopper; }

}  // namespace tg
