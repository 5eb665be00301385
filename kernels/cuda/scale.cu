#include "ripieno/kernels/cuda/device/map.cuh"
#include "ripieno/kernels/scale.h"

namespace ripieno::kernels {
namespace {

template <typename T, typename From>
struct Scaled {
  const accumulator_t<T>* factor;
  accumulator_t<T> scale;

  __device__ T operator()(From x) const {
    return cuda::narrow<T>(scale * *factor * cuda::widen(x));
  }
  __device__ T operator()(From x, T before) const {
    return cuda::narrow<T>(cuda::widen(before) + scale * *factor * cuda::widen(x));
  }
};

}  // namespace

template <typename T, typename From>
void scale_by(OnCuda on, T* out, const From* in, const accumulator_t<T>* factor, int64_t size,
              double scale, bool accumulate) {
  const Scaled<T, From> scaled{factor, static_cast<accumulator_t<T>>(scale)};
  if (accumulate) {
    cuda::map(on, scaled, size, out, in, static_cast<const T*>(out));
  } else {
    cuda::map(on, scaled, size, out, in);
  }
}

template void scale_by(OnCuda, float*, const float*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, double*, const double*, const double*, int64_t, double, bool);
template void scale_by(OnCuda, bfloat16*, const bfloat16*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, bfloat16*, const float*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, float16*, const float16*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, float16*, const float*, const float*, int64_t, double, bool);

}  // namespace ripieno::kernels
