// Element types of kernels as plain storage types: naming them requires no CUDA header.
//
// bfloat16 and float16 are only stored; arithmetic is done in float. Conversions from float round
// to nearest even; NaN and infinity are preserved in both directions.
#pragma once

#include <bit>
#include <cstdint>

namespace ripieno::kernels {

struct bfloat16 {
  uint16_t bits = 0;

  bfloat16() = default;
  explicit constexpr bfloat16(float value) : bits(round(std::bit_cast<uint32_t>(value))) {}
  explicit constexpr operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }

 private:
  static constexpr uint16_t round(uint32_t x) {
    if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((x >> 16) | 0x40u);  // NaN
    return static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
  }
};

struct float16 {
  uint16_t bits = 0;

  float16() = default;
  explicit constexpr float16(float value) : bits(round(std::bit_cast<uint32_t>(value))) {}
  explicit constexpr operator float() const {
    const uint32_t sign = (uint32_t{bits} & 0x8000u) << 16;
    const uint32_t rest = uint32_t{bits} & 0x7fffu;
    if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    // Multiplying by 2^112 corrects the exponent bias, and is right for subnormals too.
    const float magnitude = std::bit_cast<float>(rest << 13) * 0x1p112f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }

 private:
  static constexpr uint16_t round(uint32_t x) {
    const auto sign = static_cast<uint16_t>((x >> 16) & 0x8000u);
    const uint32_t rest = x & 0x7fffffffu;
    if (rest > 0x7f800000u) return sign | uint16_t{0x7e00};   // NaN
    if (rest >= 0x477ff000u) return sign | uint16_t{0x7c00};  // rounds to infinity
    if (rest < 0x38800000u) {  // subnormal: adding 0.5 leaves the rounded bits in the lowest bits
      const float shifted = std::bit_cast<float>(rest) + 0.5f;
      return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
    }
    const uint32_t rounded = rest + 0xfffu + ((rest >> 13) & 1u);
    return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  }
};

// Type in which kernels accumulate elements of T: double for double, float for all others.
template <typename T>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<double> {
  using type = double;
};
template <typename T>
using accumulator_t = typename Accumulator<T>::type;

}  // namespace ripieno::kernels
