// What the emulator keeps in the 128 opaque bytes of a CUtensorMap.
#pragma once

#include <stdint.h>

namespace tg {

constexpr uint32_t kTensorMap = 0x50414d54;

struct TensorMap {
  uint32_t magic;
  uint8_t rank, elementBytes, swizzle, unused;
  char *base;
  uint64_t sizes[5];    // in elements
  uint64_t strides[5];  // in bytes
  uint32_t box[5];      // in elements
};

static_assert(sizeof(TensorMap) <= 128, "a tensor map has 128 bytes");

}  // namespace tg
