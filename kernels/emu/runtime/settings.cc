// What the environment says.
#include <stdlib.h>
#include <unistd.h>

#include "runtime.h"

namespace tg {

static int64_t number(const char *name, int64_t otherwise) {
  const char *text = getenv(name);
  return text != nullptr && *text != 0 ? strtoll(text, nullptr, 10) : otherwise;
}

// Two host threads halve the time of a launch where the machine has two cores; more would only take the cores of the
// packages tested beside this one. A build with AddressSanitizer has one copy of shared memory, one that judges accesses
// has one book of them: these have one host thread.
int hostThreads() {
#if defined(TG_EMU_ASAN) || defined(TG_EMU_RACES)
  return 1;
#else
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return (int)number("TG_EMU_THREADS", cores >= 2 ? 2 : 1);
#endif
}

// Work waits only where nobody asks to see every launch's own error.
static bool lazy() { return number("TG_EMU_LAZY", 1) != 0 && number("CUDA_LAUNCH_BLOCKING", 0) == 0; }

Settings settings() {
  return {
      (uint64_t)number("TG_EMU_SEED", 1),
      (int)number("TG_EMU_SM", 90),
      (int)number("TG_EMU_DEVICES", 1),
      (uint64_t)number("TG_EMU_MEMORY", (int64_t)4 << 30),
      number("TG_EMU_FAIL_AFTER", -1),
      lazy(),
  };
}

}  // namespace tg
