// The element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ripieno/kernels/element_types.h"

namespace ripieno {

using kernels::bfloat16;
using kernels::float16;

enum class DType : uint8_t { float32, bfloat16, float16, float64, int64, int32, uint8, boolean };

// Bytes of one element.
std::size_t size_of(DType dtype);
// Of that many elements. Throws Error where they are more than can be addressed.
std::size_t bytes_of(int64_t elements, DType dtype);
// "float32", …, "bool": the names used in files and messages.
std::string_view name_of(DType dtype);
std::optional<DType> dtype_named(std::string_view name);
bool is_floating_point(DType dtype);

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct DTypeOf<bfloat16> {
  static constexpr DType value = DType::bfloat16;
};
template <>
struct DTypeOf<float16> {
  static constexpr DType value = DType::float16;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
template <typename T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace ripieno
