// Test values for kernels: seeded random values, conversion to double, and comparison with a
// tolerance in roundings.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

using Floats = testing::Types<float, double, bfloat16, float16>;

// Sizes around vectors and blocks, and an arbitrary one.
inline constexpr int64_t kOddSizes[] = {1, 31, 32, 33, 1001};

template <typename T>
double to_double(T value) {
  return static_cast<double>(static_cast<accumulator_t<T>>(value));
}

template <typename T>
std::vector<double> to_doubles(const std::vector<T>& values) {
  std::vector<double> out;
  for (const T& value : values) out.push_back(to_double(value));
  return out;
}

// Uniform in [low, high), rounded to T.
template <typename T>
std::vector<T> random_values(int64_t size, uint32_t seed, double low = -2.0, double high = 2.0) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<T> out;
  for (int64_t i = 0; i < size; ++i) {
    out.push_back(T(static_cast<accumulator_t<T>>(uniform(generator))));
  }
  return out;
}

// Distance from 1 to the next larger number.
template <typename T>
constexpr double kEpsilon = 0x1p-23;
template <>
inline constexpr double kEpsilon<double> = 0x1p-52;
template <>
inline constexpr double kEpsilon<bfloat16> = 0x1p-7;
template <>
inline constexpr double kEpsilon<float16> = 0x1p-10;

// Requires |actual - expected| to be within two roundings of T plus sum_roundings roundings of the
// accumulator type, relative to max(1, |expected|).
template <typename T>
void expect_close(const std::vector<T>& actual, const std::vector<double>& expected,
                  double sum_roundings = 16.0) {
  ASSERT_EQ(actual.size(), expected.size());
  const double relative = 2 * kEpsilon<T> + sum_roundings * kEpsilon<accumulator_t<T>>;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double tolerance = relative * std::max(1.0, std::fabs(expected[i]));
    ASSERT_NEAR(to_double(actual[i]), expected[i], tolerance) << "element " << i;
  }
}

// Requires equal values.
template <typename T>
void expect_identical(const std::vector<T>& a, const std::vector<T>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(to_double(a[i]), to_double(b[i])) << "element " << i;
  }
}

}  // namespace ripieno::kernels
