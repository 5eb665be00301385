#include <type_traits>

#include "ripieno/kernels/cuda/device/map.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

template <typename T>
constexpr bool kIsHalf = std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

// Conversions from and to 16-bit types go through float.
template <typename To, typename From>
__device__ To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (kIsHalf<From>) {
    return convert<To>(cuda::widen(value));
  } else if constexpr (kIsHalf<To>) {
    return cuda::narrow<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <typename To, typename From>
struct Cast {
  __device__ To operator()(From value) const { return convert<To>(value); }
};

}  // namespace

template <typename To, typename From>
void cast(OnCuda on, To* out, const From* in, int64_t size) {
  cuda::map(on, Cast<To, From>{}, size, out, in);
}

template void cast(OnCuda, float*, const float*, int64_t);
template void cast(OnCuda, double*, const float*, int64_t);
template void cast(OnCuda, bfloat16*, const float*, int64_t);
template void cast(OnCuda, float16*, const float*, int64_t);
template void cast(OnCuda, int64_t*, const float*, int64_t);
template void cast(OnCuda, int32_t*, const float*, int64_t);
template void cast(OnCuda, uint8_t*, const float*, int64_t);
template void cast(OnCuda, bool*, const float*, int64_t);

template void cast(OnCuda, float*, const double*, int64_t);
template void cast(OnCuda, double*, const double*, int64_t);
template void cast(OnCuda, bfloat16*, const double*, int64_t);
template void cast(OnCuda, float16*, const double*, int64_t);
template void cast(OnCuda, int64_t*, const double*, int64_t);
template void cast(OnCuda, int32_t*, const double*, int64_t);
template void cast(OnCuda, uint8_t*, const double*, int64_t);
template void cast(OnCuda, bool*, const double*, int64_t);

template void cast(OnCuda, float*, const bfloat16*, int64_t);
template void cast(OnCuda, double*, const bfloat16*, int64_t);
template void cast(OnCuda, bfloat16*, const bfloat16*, int64_t);
template void cast(OnCuda, float16*, const bfloat16*, int64_t);
template void cast(OnCuda, int64_t*, const bfloat16*, int64_t);
template void cast(OnCuda, int32_t*, const bfloat16*, int64_t);
template void cast(OnCuda, uint8_t*, const bfloat16*, int64_t);
template void cast(OnCuda, bool*, const bfloat16*, int64_t);

template void cast(OnCuda, float*, const float16*, int64_t);
template void cast(OnCuda, double*, const float16*, int64_t);
template void cast(OnCuda, bfloat16*, const float16*, int64_t);
template void cast(OnCuda, float16*, const float16*, int64_t);
template void cast(OnCuda, int64_t*, const float16*, int64_t);
template void cast(OnCuda, int32_t*, const float16*, int64_t);
template void cast(OnCuda, uint8_t*, const float16*, int64_t);
template void cast(OnCuda, bool*, const float16*, int64_t);

template void cast(OnCuda, float*, const int64_t*, int64_t);
template void cast(OnCuda, double*, const int64_t*, int64_t);
template void cast(OnCuda, bfloat16*, const int64_t*, int64_t);
template void cast(OnCuda, float16*, const int64_t*, int64_t);
template void cast(OnCuda, int64_t*, const int64_t*, int64_t);
template void cast(OnCuda, int32_t*, const int64_t*, int64_t);
template void cast(OnCuda, uint8_t*, const int64_t*, int64_t);
template void cast(OnCuda, bool*, const int64_t*, int64_t);

template void cast(OnCuda, float*, const int32_t*, int64_t);
template void cast(OnCuda, double*, const int32_t*, int64_t);
template void cast(OnCuda, bfloat16*, const int32_t*, int64_t);
template void cast(OnCuda, float16*, const int32_t*, int64_t);
template void cast(OnCuda, int64_t*, const int32_t*, int64_t);
template void cast(OnCuda, int32_t*, const int32_t*, int64_t);
template void cast(OnCuda, uint8_t*, const int32_t*, int64_t);
template void cast(OnCuda, bool*, const int32_t*, int64_t);

template void cast(OnCuda, float*, const uint8_t*, int64_t);
template void cast(OnCuda, double*, const uint8_t*, int64_t);
template void cast(OnCuda, bfloat16*, const uint8_t*, int64_t);
template void cast(OnCuda, float16*, const uint8_t*, int64_t);
template void cast(OnCuda, int64_t*, const uint8_t*, int64_t);
template void cast(OnCuda, int32_t*, const uint8_t*, int64_t);
template void cast(OnCuda, uint8_t*, const uint8_t*, int64_t);
template void cast(OnCuda, bool*, const uint8_t*, int64_t);

template void cast(OnCuda, float*, const bool*, int64_t);
template void cast(OnCuda, double*, const bool*, int64_t);
template void cast(OnCuda, bfloat16*, const bool*, int64_t);
template void cast(OnCuda, float16*, const bool*, int64_t);
template void cast(OnCuda, int64_t*, const bool*, int64_t);
template void cast(OnCuda, int32_t*, const bool*, int64_t);
template void cast(OnCuda, uint8_t*, const bool*, int64_t);
template void cast(OnCuda, bool*, const bool*, int64_t);

}  // namespace ripieno::kernels
