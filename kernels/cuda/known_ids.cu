#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/known_ids.h"

namespace ripieno::kernels {
namespace {

// One thread per id.
__global__ void find_kernel(UnknownId* found, const int32_t* ids, int64_t count, int64_t bound,
                            int32_t exempt, int32_t input) {
  const int64_t i = cuda::global_thread();
  if (i >= count) return;
  const int32_t id = ids[i];
  if ((id >= 0 && id < bound) || id == exempt) return;
  if (atomicCAS(&found->input, 0, input) != 0) return;  // another thread recorded one already
  found->id = id;
  found->bound = static_cast<int32_t>(bound);
  found->position = static_cast<int32_t>(i);
}

}  // namespace

void find_unknown_id(OnCuda on, UnknownId* found, const int32_t* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input) {
  cuda::launch(find_kernel, cuda::thread_each(on, count), found, ids, count, bound, exempt, input);
}

}  // namespace ripieno::kernels
