// Elementary functions that compilers vectorize in plain loops: polynomials in float, the standard
// library in double.
//
// The coefficients are weighted minimax fits; errors are about one unit in the last place.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace ripieno::kernels::cpu {

namespace detail {

// exp(x) = 2^power * (1 + fraction); x must be in [-150, 100] or NaN.
struct ExpParts {
  int32_t power;
  float fraction;  // exp(r) - 1, |r| <= log(2) / 2
};

inline ExpParts exp_parts(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.4426950408889634f + kRound;
  const float n = shifted - kRound;
  // log(2) in two parts; the first has so few bits that n times it is exact.
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 0.0013882508501410484f;
  p = p * r + 0.008366580121219158f;
  p = p * r + 0.04166720062494278f;
  p = p * r + 0.1666654348373413f;
  p = p * r + 0.4999999701976776f;
  return {std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound), p * (r * r) + r};
}

inline float power_of_two(int32_t n) { return std::bit_cast<float>((n + 127) << 23); }

// exp(x) - 1 for x in [-86, 86], accurate near 0 too.
inline float expm1_in_range(float x) {
  const ExpParts parts = exp_parts(x);
  const float scale = power_of_two(parts.power);
  return scale * parts.fraction + (scale - 1.0f);
}

}  // namespace detail

// Results below 2^-125 are 0: arithmetic with subnormal numbers is about a hundred times slower.
inline float exp(float x) {
  constexpr float kLowest = -86.9f;
  float clamped = x < kLowest ? kLowest : x;  // comparisons this way around keep NaN
  clamped = clamped > 88.9f ? 88.9f : clamped;
  const detail::ExpParts parts = detail::exp_parts(clamped);
  // Computes half of the result first: 2^power overflows just below the largest result.
  const float half = (1.0f + parts.fraction) * detail::power_of_two(parts.power - 1);
  return x < kLowest ? 0.0f : half * 2.0f;
}
inline double exp(double x) { return std::exp(x); }

inline float tanh(float x) {
  const float magnitude = std::fabs(x) > 10.0f ? 10.0f : std::fabs(x);
  const float e = detail::expm1_in_range(2.0f * magnitude);
  return std::copysign(e / (e + 2.0f), x);
}
inline double tanh(double x) { return std::tanh(x); }

// erf(x) = 1 - exp(-p(|x|)), where p is a polynomial without a constant term.
inline float erf(float x) {
  const float magnitude = std::fabs(x) > 4.0f ? 4.0f : std::fabs(x);
  float p = 4.070793875143863e-05f;
  p = p * magnitude - 0.0003810006601270288f;
  p = p * magnitude + 0.0012517464347183704f;
  p = p * magnitude + 0.00020571656932588667f;
  p = p * magnitude - 0.01932171732187271f;
  p = p * magnitude + 0.10281441360712051f;
  p = p * magnitude + 0.6366164684295654f;
  p = p * magnitude + 1.128379225730896f;
  return std::copysign(-detail::expm1_in_range(-(p * magnitude)), x);
}
inline double erf(double x) { return std::erf(x); }

// The functions that formulas (kernels/formulas) use on the CPU.
struct Math {
  template <typename A>
  static A exp(A x) {
    return cpu::exp(x);
  }
  template <typename A>
  static A tanh(A x) {
    return cpu::tanh(x);
  }
  template <typename A>
  static A erf(A x) {
    return cpu::erf(x);
  }
  template <typename A>
  static A log(A x) {
    return std::log(x);
  }
  template <typename A>
  static A sqrt(A x) {
    return std::sqrt(x);
  }
  template <typename A>
  static A sin(A x) {
    return std::sin(x);
  }
  template <typename A>
  static A cos(A x) {
    return std::cos(x);
  }
};

}  // namespace ripieno::kernels::cpu
