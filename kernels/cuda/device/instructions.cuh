// Instructions that C++ cannot express: 16-byte accesses and hardware conversions. For
// kernels.
//
// Like launch.h, it is replaced by a header of the same name in emulated builds.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>

#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels::cuda {

// A type of `bytes` bytes (1, 2, 4, 8 or 16) that one instruction loads or stores; addresses must
// be aligned to its size.
template <int bytes>
struct Word;
template <>
struct Word<1> {
  using type = uint8_t;
};
template <>
struct Word<2> {
  using type = uint16_t;
};
template <>
struct Word<4> {
  using type = uint32_t;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<16> {
  using type = uint4;
};

template <typename To>
__device__ To load_word(const void* from) {
  using W = typename Word<sizeof(To)>::type;
  return std::bit_cast<To>(*static_cast<const W*>(from));
}
template <typename From>
__device__ void store_word(void* to, const From& value) {
  using W = typename Word<sizeof(From)>::type;
  *static_cast<W*>(to) = std::bit_cast<W>(value);
}

// store_word() to global memory, guaranteed to be one instruction: among branches the compiler may
// split a store of 16 bytes.
template <typename From>
__device__ void store_global_word(void* to, const From& value) {
  if constexpr (sizeof(From) == 16) {
    const auto word = std::bit_cast<uint4>(value);
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(to)),
                 "r"(word.x), "r"(word.y), "r"(word.z), "r"(word.w)
                 : "memory");
  } else {
    store_word(to, value);
  }
}

// Conversions in one instruction each; to 16 bits they round to nearest even.
__device__ inline bfloat16 to_bfloat16(float value) {
  bfloat16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}
__device__ inline float16 to_float16(float value) {
  float16 result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}
__device__ inline float from_float16(float16 value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}

// 2^x with an error of at most two units in the last place; subnormal results are flushed to 0.
__device__ inline float power_of_two(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

}  // namespace ripieno::kernels::cuda
