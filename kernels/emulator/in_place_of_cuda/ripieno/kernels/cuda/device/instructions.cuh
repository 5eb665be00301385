// Emulated version of kernels/cuda/device/instructions.cuh. The include path of emulated builds
// finds this header first.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/emulator/emulator.h"

namespace ripieno::kernels::cuda {

// On a GPU, an access that is not aligned to its size is a fatal error.
inline void check_alignment(const void* address, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes == 0) return;
  simt::fail("an access of " + std::to_string(bytes) + " bytes is not aligned to its size");
}

template <typename To>
To load_word(const void* from) {
  check_alignment(from, sizeof(To));
  To value;
  std::memcpy(static_cast<void*>(&value), from, sizeof(To));
  return value;
}
template <typename From>
void store_word(void* to, const From& value) {
  check_alignment(to, sizeof(From));
  std::memcpy(to, static_cast<const void*>(&value), sizeof(From));
}

template <typename From>
void store_global_word(void* to, const From& value) {
  store_word(to, value);
}

inline float power_of_two(float x) {
  const float result = std::exp2(x);
  return std::isnormal(result) || !std::isfinite(result) ? result : 0.0f;
}

inline bfloat16 to_bfloat16(float value) { return bfloat16(value); }
inline float16 to_float16(float value) { return float16(value); }
inline float from_float16(float16 value) { return static_cast<float>(value); }

}  // namespace ripieno::kernels::cuda
