// cuda::sort_by_key() for the emulator: a kernel with one thread that calls the standard library.
#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include "ripieno/kernels/cuda/runtime/launch.h"
#include "ripieno/kernels/cuda/runtime/sort.h"

namespace ripieno::kernels::cuda {
namespace {

void sort_kernel(int32_t* sorted_keys, int32_t* sorted_values, const int32_t* keys,
                 const int32_t* values, int64_t count) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  for (int64_t i = 0; i < count; ++i) pairs.emplace_back(keys[i], values[i]);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (int64_t i = 0; i < count; ++i) {
    std::tie(sorted_keys[i], sorted_values[i]) = pairs[static_cast<std::size_t>(i)];
  }
}

}  // namespace

std::size_t sort_workspace_bytes(int64_t, int) { return 1; }

void sort_by_key(OnCuda on, int32_t* sorted_keys, int32_t* sorted_values, const int32_t* keys,
                 const int32_t* values, int64_t count, int, void*, std::size_t) {
  launch(sort_kernel, {dim3(1), dim3(1), 0, on.stream}, sorted_keys, sorted_values, keys, values,
         count);
}

}  // namespace ripieno::kernels::cuda
