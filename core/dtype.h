// DType: the element types of tensors.
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

// Functions that take a DType throw Error for a value that is not one of its members.

// Size of one element in bytes.
std::size_t size_of(DType dtype);
// Size of `elements` elements in bytes. Throws Error if it does not fit 63 bits.
std::size_t bytes_of(int64_t elements, DType dtype);
// "float32", "bfloat16", "float16", "float64", "int64", "int32", "uint8" or "bool": the names used
// in files and messages.
std::string_view name_of(DType dtype);
// The type of that name; empty if there is none.
std::optional<DType> dtype_named(std::string_view name);
// True for float32, bfloat16, float16 and float64.
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
