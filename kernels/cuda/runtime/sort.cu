#include <cub/device/device_radix_sort.cuh>
#include <string>

#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/cuda/runtime/sort.h"

namespace ripieno::kernels::cuda {
namespace {

// With a null workspace, only returns its required size.
std::size_t sort(void* workspace, std::size_t workspace_bytes, OnCuda on, int32_t* sorted_keys,
                 int32_t* sorted_values, const int32_t* keys, const int32_t* values, int64_t count,
                 int key_bits) {
  check(cub::DeviceRadixSort::SortPairs(workspace, workspace_bytes, keys, sorted_keys, values,
                                        sorted_values, static_cast<int>(count), 0, key_bits,
                                        on.stream),
        "cub::DeviceRadixSort::SortPairs of " + std::to_string(count) + " pairs");
  return workspace_bytes;
}

}  // namespace

std::size_t sort_workspace_bytes(int64_t count, int key_bits) {
  return sort(nullptr, 0, {}, nullptr, nullptr, nullptr, nullptr, count, key_bits);
}

void sort_by_key(OnCuda on, int32_t* sorted_keys, int32_t* sorted_values, const int32_t* keys,
                 const int32_t* values, int64_t count, int key_bits, void* workspace,
                 std::size_t workspace_bytes) {
  sort(workspace, workspace_bytes, on, sorted_keys, sorted_values, keys, values, count, key_bits);
}

}  // namespace ripieno::kernels::cuda
