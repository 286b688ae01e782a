// cuTensorMapEncodeTiled, with the driver's conditions.
#include "tensormap.h"

#include "calls.h"

using namespace tg;

static int elementBytes(CUtensorMapDataType type) {
  if (type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32) return 4;
  return type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 ? 2 : 0;
}

static const char *misfit(const TensorMap &m) {
  if ((uintptr_t)m.base % 16 != 0) return "its address is not at a multiple of 16 bytes";
  uint64_t last = m.elementBytes;
  for (int i = 0; i < m.rank; i++) {
    if (m.sizes[i] == 0 || m.sizes[i] > 1ull << 32) return "a size is not 1 to 2^32";
    if (m.box[i] == 0 || m.box[i] > 256) return "a box has a side that is not 1 to 256";
    if (i > 0 && (m.strides[i] % 16 != 0 || m.strides[i] >= 1ull << 40)) return "a stride is no multiple of 16 bytes";
    last += (m.sizes[i] - 1) * m.strides[i];
  }
  const int inner = m.box[0] * m.elementBytes;
  if (inner % 16 != 0) return "the inner side of a box is no multiple of 16 bytes";
  if (m.swizzle != 0 && inner > 16 << m.swizzle) return "the inner side of a box is wider than the swizzle";
  const void *start;
  const size_t bytes = allocationOf(m.base, &start);
  if (bytes < (size_t)(m.base - (const char *)start) + last) return "the tensor is larger than the allocation";
  return nullptr;
}

TG_CALL cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *base,
                               const cuuint64_t *sizes, const cuuint64_t *strides, const cuuint32_t *box,
                               const cuuint32_t *elementStrides, CUtensorMapInterleave interleave,
                               CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  TensorMap m = {kTensorMap, (uint8_t)rank, (uint8_t)elementBytes(type), (uint8_t)swizzle, 0, (char *)base, {}, {}, {}};
  if (m.elementBytes == 0 || interleave != 0 || fill != 0) {
    return refuse(CUDA_ERROR_NOT_SUPPORTED, "tensor map: this type, interleave or fill is not emulated");
  }
  if (rank < 1 || rank > 5) return refuse(CUDA_ERROR_INVALID_VALUE, "tensor map: %u dimensions", rank);
  for (unsigned i = 0; i < rank; i++) {
    if (elementStrides[i] != 1) return refuse(CUDA_ERROR_NOT_SUPPORTED, "tensor map: element strides are not emulated");
    m.sizes[i] = sizes[i];
    m.strides[i] = i == 0 ? m.elementBytes : strides[i - 1];
    m.box[i] = box[i];
  }
  const char *wrong = misfit(m);
  if (wrong != nullptr) return refuse(CUDA_ERROR_INVALID_VALUE, "tensor map: %s", wrong);
  memset(map, 0, sizeof *map);
  memcpy(map, &m, sizeof m);
  return CUDA_SUCCESS;
}
