#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/known_ids.h"

namespace ripieno::kernels {
namespace {

__device__ int32_t nearest(int64_t value) {
  constexpr int64_t kLeast = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(value < kLeast ? kLeast : value > kMost ? kMost : value);
}

// One thread per id.
template <typename Id>
__global__ void find_kernel(UnknownId* found, const Id* ids, int64_t count, int64_t bound,
                            int32_t exempt, int32_t input) {
  const int64_t i = cuda::global_thread();
  if (i >= count) return;
  const Id id = ids[i];
  if ((id >= 0 && id < bound) || id == exempt) return;
  if (atomicCAS(&found->input, 0, input) != 0) return;  // another thread recorded one already
  found->id = nearest(id);
  found->bound = nearest(bound);
  found->position = nearest(i);
}

}  // namespace

template <typename Id>
void find_unknown_id(OnCuda on, UnknownId* found, const Id* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input) {
  cuda::launch(find_kernel<Id>, cuda::thread_each(on, count), found, ids, count, bound, exempt,
               input);
}

template void find_unknown_id(OnCuda, UnknownId*, const int32_t*, int64_t, int64_t, int32_t,
                              int32_t);
template void find_unknown_id(OnCuda, UnknownId*, const int64_t*, int64_t, int64_t, int32_t,
                              int32_t);

}  // namespace ripieno::kernels
