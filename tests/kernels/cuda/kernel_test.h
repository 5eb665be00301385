// Utilities for kernel tests: arrays on both the CPU and the device, and comparison of the results.
//
// The same tests are compiled twice, with the device under test from emulated/ or real/.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <type_traits>

#include "device_under_test.h"
#include "outputs.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::testing {

using kernels::accumulator_t;
using kernels::bfloat16;
using kernels::float16;
using kernels::OnCpu;
using kernels::OnCuda;

// Sizes around a warp, and one near a block; not multiples of either except 32.
inline constexpr int64_t kSizes[] = {1, 31, 32, 33, 1001};

template <typename T>
constexpr bool kIsFloat =
    std::is_floating_point_v<T> || std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

// An array with one copy on the CPU and one on the device. Initially all bits are 1: NaN.
template <typename T>
class Both {
 public:
  explicit Both(int64_t size)
      : size_(size),
        host_(std::make_unique<T[]>(static_cast<std::size_t>(std::max<int64_t>(size, 1)))),
        device_(allocate_on_device(std::max<std::size_t>(bytes(), 1)), free_on_device) {
    std::memset(static_cast<void*>(host_.get()), std::is_same_v<T, bool> ? 1 : 0xff, bytes());
    update_device();
  }
  Both(std::initializer_list<T> values) : Both(static_cast<int64_t>(values.size())) {
    std::copy(values.begin(), values.end(), host_.get());
    update_device();
  }

  int64_t size() const { return size_; }
  T* host() { return host_.get(); }
  T* device() { return static_cast<T*>(device_.get()); }
  void update_device() { copy_on_device(device_.get(), host_.get(), bytes()); }
  std::unique_ptr<T[]> from_device() const {
    auto copy = std::make_unique<T[]>(static_cast<std::size_t>(std::max<int64_t>(size_, 1)));
    copy_on_device(copy.get(), device_.get(), bytes());
    return copy;
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

  int64_t size_;
  std::unique_ptr<T[]> host_;
  std::unique_ptr<void, void (*)(void*)> device_;
};

// Calls body(place, at) for each backend; at(array) is the address of the array's copy there.
template <typename Body>
void on_both(Body body) {
  body(OnCpu{}, [](auto& array) { return array.host(); });
  body(OnCuda{}, [](auto& array) { return array.device(); });
}

// Uniform random numbers in [low, high). The same for equal seeds.
template <typename T>
Both<T> some_numbers(int64_t size, unsigned seed, double low = -2.0, double high = 2.0) {
  Both<T> numbers(size);
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  for (int64_t i = 0; i < size; ++i) {
    const double value = uniform(generator);
    numbers.host()[i] = static_cast<T>(static_cast<accumulator_t<T>>(value));
  }
  numbers.update_device();
  return numbers;
}

inline Both<int32_t> some_ids(int64_t size, unsigned seed, int32_t first, int32_t last) {
  Both<int32_t> ids(size);
  std::mt19937_64 generator(seed);
  std::uniform_int_distribution<int32_t> uniform(first, last);
  for (int64_t i = 0; i < size; ++i) ids.host()[i] = uniform(generator);
  ids.update_device();
  return ids;
}

// Two units in the last place of a 16-bit type; for others, the error of summing in another order.
template <typename T>
constexpr double kTolerance = 2e-5;
template <>
inline constexpr double kTolerance<double> = 1e-12;
template <>
inline constexpr double kTolerance<bfloat16> = 0x1p-7;
template <>
inline constexpr double kTolerance<float16> = 0x1p-10;

template <typename T>
double to_double(T value) {
  if constexpr (kIsFloat<T>) {
    return static_cast<double>(static_cast<accumulator_t<T>>(value));
  } else {
    return static_cast<double>(value);
  }
}

// NaN agrees with NaN, and infinity with infinity of the same sign.
inline bool agree(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * (1.0 + std::abs(b));
}

template <typename T>
constexpr const char* kTypeName = "bits";
template <>
inline constexpr const char* kTypeName<float> = "float32";
template <>
inline constexpr const char* kTypeName<double> = "float64";
template <>
inline constexpr const char* kTypeName<bfloat16> = "bfloat16";
template <>
inline constexpr const char* kTypeName<float16> = "float16";

// The device's result. It is also appended to the output file for compare_outputs.py.
template <typename T>
std::unique_ptr<T[]> output_of(Both<T>& array) {
  auto output = array.from_device();
  keep_output(kTypeName<T>, output.get(), static_cast<std::size_t>(array.size()) * sizeof(T));
  return output;
}

template <typename T>
void expect_agreement(Both<T>& array, double tolerance = kTolerance<T>) {
  const auto device = output_of(array);
  for (int64_t i = 0; i < array.size(); ++i) {
    const double actual = to_double(device[i]), expected = to_double(array.host()[i]);
    ASSERT_TRUE(agree(actual, expected, tolerance))
        << "element " << i << " of " << array.size() << ": device " << actual << ", CPU "
        << expected;
  }
}

template <typename T>
void expect_same_bits(Both<T>& array) {
  const auto device = output_of(array);
  EXPECT_EQ(
      std::memcmp(device.get(), array.host(), static_cast<std::size_t>(array.size()) * sizeof(T)),
      0);
}

template <typename T>
struct Type {
  using type = T;
};

// Calls body(Type<T>{}) for each element type that kernels compute with.
template <typename Body>
void for_each_float_type(Body body) {
  const auto call = [&](auto type, const char* name) {
    SCOPED_TRACE(name);
    body(type);
  };
  call(Type<float>{}, "float");
  call(Type<double>{}, "double");
  call(Type<bfloat16>{}, "bfloat16");
  call(Type<float16>{}, "float16");
}

}  // namespace ripieno::testing
