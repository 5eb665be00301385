// Properties of operations for random shapes, against references in plain loops. A failure prints
// the seed; RIPIENO_TEST_SEED repeats it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "ripieno/core/ops/functions.h"
#include "ripieno/core/ops/indexing.h"
#include "ripieno/core/ops/order.h"
#include "ripieno/core/ops/rearrange.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno {
namespace {

constexpr int kTrials = 60;

uint64_t seed() {
  static const uint64_t value = [] {
    const char* const given = std::getenv("RIPIENO_TEST_SEED");
    const uint64_t chosen = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "RIPIENO_TEST_SEED=" << chosen << "\n";
    return chosen;
  }();
  return value;
}

class RandomShapes : public ::testing::Test {
 protected:
  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  Shape shape(int least_rank = 0, int64_t least_size = 0) {
    Shape result;
    const int64_t rank = between(least_rank, 4);
    for (int64_t i = 0; i < rank; ++i) {
      result.push_back(between(0, 9) == 0 ? least_size : between(1, 5));
    }
    return result;
  }
  // A shape that broadcasts to `whole`.
  Shape part_of(const Shape& whole) {
    Shape result;
    for (int axis = static_cast<int>(between(0, whole.rank())); axis < whole.rank(); ++axis) {
      result.push_back(between(0, 2) == 0 ? 1 : whole[axis]);
    }
    return result;
  }
  // Random whole numbers from -3 to 3, in memory with random strides.
  Tensor numbers(const Shape& of_shape) {
    std::vector<int> order;
    for (int axis = 0; axis < of_shape.rank(); ++axis) order.push_back(axis);
    std::shuffle(order.begin(), order.end(), engine_);
    Shape in_memory;
    for (const int axis : order) in_memory.push_back(of_shape[axis]);
    std::vector<double> values;
    for (int64_t i = 0; i < of_shape.elements(); ++i) {
      values.push_back(static_cast<double>(between(-3, 3)));
    }
    std::vector<int> back(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      back[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
    }
    return Tensor::of(in_memory, values).permute(Axes(std::span<const int>(back)));
  }
  Axes some_axes(int rank) {
    std::vector<int> axes;
    for (int axis = 0; axis < rank; ++axis) {
      if (between(0, 1) == 1) axes.push_back(between(0, 1) == 1 ? axis : axis - rank);
    }
    std::shuffle(axes.begin(), axes.end(), engine_);
    return Axes(std::span<const int>(axes));
  }

  std::mt19937_64 engine_{seed()};
};

using Index = std::vector<int64_t>;

// Calls body(index) for every index of the shape, in row-major order.
void for_each_index(const Shape& shape, const std::function<void(const Index&)>& body) {
  Index index(static_cast<std::size_t>(shape.rank()), 0);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      index[static_cast<std::size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    body(index);
  }
}

// The elements of a tensor on the host, as NumPy would index them: axes are aligned from the last,
// and an axis of size 1 repeats.
class Elements {
 public:
  explicit Elements(const Tensor& x) : shape_(x.shape()), values_(x.to_vector<double>()) {}
  double operator()(const Index& index) const {
    const std::size_t added = index.size() - static_cast<std::size_t>(shape_.rank());
    int64_t at = 0;
    for (int axis = 0; axis < shape_.rank(); ++axis) {
      const int64_t i = index[static_cast<std::size_t>(axis) + added];
      at = at * shape_[axis] + (shape_[axis] == 1 ? 0 : i);
    }
    return values_[static_cast<std::size_t>(at)];
  }

 private:
  Shape shape_;
  std::vector<double> values_;
};

void expect_equal(const Tensor& actual, const Shape& shape,
                  const std::function<double(const Index&)>& wanted) {
  ASSERT_EQ(to_string(actual.shape()), to_string(shape));
  const std::vector<double> values = actual.to_vector<double>();
  std::size_t next = 0;
  for_each_index(shape, [&](const Index& index) {
    const double value = values[next++], expected = wanted(index);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value));
    } else if (std::isinf(expected)) {
      EXPECT_EQ(value, expected);
    } else {
      EXPECT_NEAR(value, expected, 1e-9);
    }
  });
}

TEST_F(RandomShapes, BroadcastAsInNumPy) {
  struct Operation {
    std::function<Tensor(const Tensor&, const Tensor&)> call;
    std::function<double(double, double)> of_numbers;
  };
  const std::vector<Operation> operations = {
      {[](const Tensor& a, const Tensor& b) { return a + b; }, std::plus<>()},
      {[](const Tensor& a, const Tensor& b) { return a - b; }, std::minus<>()},
      {[](const Tensor& a, const Tensor& b) { return a * b; }, std::multiplies<>()},
      {[](const Tensor& a, const Tensor& b) { return a / b; }, std::divides<>()},
      {[](const Tensor& a, const Tensor& b) { return maximum(a, b); },
       [](double a, double b) { return std::max(a, b); }},
      {[](const Tensor& a, const Tensor& b) { return a < b; }, std::less<>()},
      {[](const Tensor& a, const Tensor& b) { return a == b; }, std::equal_to<>()},
      {[](const Tensor& a, const Tensor& b) {
         return a.to(DType::int64) * b.to(DType::int64) - b.to(DType::int64);
       },
       [](double a, double b) { return a * b - b; }},
      {[](const Tensor& a, const Tensor& b) { return where(a > 0.0, a, b); },
       [](double a, double b) { return a > 0 ? a : b; }},
  };
  for (int trial = 0; trial < kTrials; ++trial) {
    const Shape whole = shape();
    const Tensor left = numbers(part_of(whole)), right = numbers(part_of(whole));
    const Shape result = broadcast(left.shape(), right.shape());
    const Elements a(left), b(right);
    for (const Operation& operation : operations) {
      expect_equal(operation.call(left, right), result,
                   [&](const Index& i) { return operation.of_numbers(a(i), b(i)); });
      if (HasFailure()) FAIL() << "seed " << seed();
    }
  }
}

TEST_F(RandomShapes, SumToIsTheGradientOfExpand) {
  for (int trial = 0; trial < kTrials; ++trial) {
    const Shape whole = shape();
    Tensor small = numbers(part_of(whole)).clone().set_requires_gradient();
    const Tensor seeds = numbers(whole).dense();
    small.expand(whole).backward(seeds);
    const Tensor by_hand = sum_to(seeds, small.shape());
    EXPECT_EQ(small.gradient().to_vector<double>(), by_hand.to_vector<double>());
    if (HasFailure()) FAIL() << "seed " << seed();
  }
}

TEST_F(RandomShapes, ReduceOverAnyAxes) {
  struct Reduction {
    std::function<Tensor(const Tensor&, const Axes&, bool)> call;
    std::function<double(const std::vector<double>&)> of_numbers;
  };
  const auto total = [](const std::vector<double>& v) {
    double result = 0;
    for (const double value : v) result += value;
    return result;
  };
  const std::vector<Reduction> reductions = {
      {[](const Tensor& x, const Axes& a, bool keep) { return sum(x, a, keep); }, total},
      {[](const Tensor& x, const Axes& a, bool keep) { return mean(x, a, keep); },
       [&](const auto& v) { return total(v) / static_cast<double>(v.size()); }},
      {[](const Tensor& x, const Axes& a, bool keep) { return max(x, a, keep); },
       [](const auto& v) { return *std::max_element(v.begin(), v.end()); }},
      {[](const Tensor& x, const Axes& a, bool keep) { return norm(x, a, 2.0, keep); },
       [](const auto& v) {
         double squares = 0;
         for (const double value : v) squares += value * value;
         return std::sqrt(squares);
       }},
      {[](const Tensor& x, const Axes& a, bool keep) { return var(x, a, 0.0, keep); },
       [&](const auto& v) {
         const double mean = total(v) / static_cast<double>(v.size());
         double squares = 0;
         for (const double value : v) squares += (value - mean) * (value - mean);
         return squares / static_cast<double>(v.size());
       }},
      {[](const Tensor& x, const Axes& a, bool keep) { return all(x, a, keep); },
       [](const auto& v) {
         return std::all_of(v.begin(), v.end(), [](double value) { return value != 0; }) ? 1.0
                                                                                         : 0.0;
       }},
  };
  for (int trial = 0; trial < kTrials; ++trial) {
    const Shape whole = shape(0, 1);
    const Tensor x = numbers(whole);
    const Axes axes = some_axes(whole.rank());
    const Axes counted = axes.of(whole, "test");
    const Elements elements(x);
    Shape kept = whole, removed;
    for (int axis = 0; axis < whole.rank(); ++axis) {
      if (counted.contains(axis)) {
        kept[axis] = 1;
      } else {
        removed.push_back(whole[axis]);
      }
    }
    for (const Reduction& reduction : reductions) {
      const auto wanted = [&](const Index& index) {
        std::vector<double> values;
        for_each_index(whole, [&](const Index& i) {
          bool is_same = true;
          for (int axis = 0; axis < whole.rank(); ++axis) {
            const auto at = static_cast<std::size_t>(axis);
            is_same = is_same && (counted.contains(axis) || i[at] == index[at]);
          }
          if (is_same) values.push_back(elements(i));
        });
        return reduction.of_numbers(values);
      };
      const Tensor result = reduction.call(x, axes, true);
      expect_equal(result, kept, wanted);
      EXPECT_EQ(to_string(reduction.call(x, axes, false).shape()), to_string(removed));
      if (HasFailure()) FAIL() << "seed " << seed() << ", " << to_string(axes);
    }
  }
}

TEST_F(RandomShapes, JoinWhatWasDivided) {
  for (int trial = 0; trial < kTrials; ++trial) {
    const Tensor x = numbers(shape(1));
    const int axis = static_cast<int>(between(-x.rank(), x.rank() - 1));
    const auto parts = split(x, between(1, 3), axis);
    EXPECT_EQ(concat(parts, axis).to_vector<double>(), x.to_vector<double>());
    const int64_t shift = between(-9, 9);
    EXPECT_EQ(roll(roll(x, shift, axis), -shift, axis).to_vector<double>(), x.to_vector<double>());
    EXPECT_EQ(flip(flip(x, axis), axis).to_vector<double>(), x.to_vector<double>());
    const Tensor moved = x.permute(Axes::all(x.rank())).transpose(axis, 0).transpose(0, axis);
    EXPECT_EQ(moved.to_vector<double>(), x.to_vector<double>());
    EXPECT_EQ(x.unsqueeze(axis).squeeze(axis).to_vector<double>(), x.to_vector<double>());
    if (HasFailure()) FAIL() << "seed " << seed();
  }
}

TEST_F(RandomShapes, SortAlongAnyAxis) {
  for (int trial = 0; trial < kTrials; ++trial) {
    const Tensor x = numbers(shape(1));
    const int axis = static_cast<int>(between(0, x.rank() - 1));
    const bool descending = between(0, 1) == 1;
    const auto [values, indices] = sort(x, axis, descending);
    EXPECT_EQ(gather(x, axis, indices).to_vector<double>(), values.to_vector<double>());
    const int64_t size = x.size(axis);
    if (size > 1) {
      const Tensor earlier = values.slice(axis, 0, size - 1), later = values.slice(axis, 1, size);
      const Tensor before = indices.slice(axis, 0, size - 1), after = indices.slice(axis, 1, size);
      const Tensor is_ordered = descending ? earlier > later : earlier < later;
      EXPECT_TRUE(
          all(logical_or(is_ordered, logical_and(earlier == later, before < after))).item());
    }
    if (HasFailure()) FAIL() << "seed " << seed();
  }
}

TEST_F(RandomShapes, ScatterAddIsTheGradientOfGather) {
  for (int trial = 0; trial < kTrials; ++trial) {
    const Tensor x = numbers(shape(1, 1)).clone().set_requires_gradient();
    const int axis = static_cast<int>(between(0, x.rank() - 1));
    Shape of_index = x.shape();
    of_index[axis] = between(0, 7);
    std::vector<int64_t> values;
    for (int64_t i = 0; i < of_index.elements(); ++i) {
      values.push_back(between(0, x.size(axis) - 1));
    }
    const Tensor index = Tensor::of(of_index, values);
    const Tensor seeds = numbers(of_index).dense();
    gather(x, axis, index).backward(seeds);
    const Tensor by_hand =
        scatter_add(Tensor::zeros(x.shape(), DType::float64), axis, index, seeds);
    EXPECT_EQ(x.gradient().to_vector<double>(), by_hand.to_vector<double>());
    double total = 0;
    for (const double value : seeds.to_vector<double>()) total += value;
    EXPECT_DOUBLE_EQ(sum(by_hand).item(), total);
    if (HasFailure()) FAIL() << "seed " << seed();
  }
}

}  // namespace
}  // namespace ripieno
