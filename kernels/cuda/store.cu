#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/optimizer.h"
#include "ripieno/kernels/philox.h"
#include "ripieno/kernels/store.h"

namespace ripieno::kernels {
namespace {

// A single thread.
template <typename V>
__global__ void store_kernel(V* out, V value) {
  *out = value;
}

}  // namespace

template <typename V>
void store(OnCuda on, V* out, const V& value) {
  const cuda::LaunchShape one_thread{dim3(1), dim3(1), 0, on.stream};
  cuda::launch(store_kernel<V>, one_thread, out, value);
}

template void store(OnCuda, StepScalars*, const StepScalars&);
template void store(OnCuda, RandomKey*, const RandomKey&);

}  // namespace ripieno::kernels
