// Conversion between any two element types; the 16-bit floats go through float.
#pragma once

#include <type_traits>

#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels::cpu {

template <typename T>
inline constexpr bool kIs16BitFloat = std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

template <typename To, typename From>
inline To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (kIs16BitFloat<From>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (kIs16BitFloat<To>) {
    return To(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace ripieno::kernels::cpu
