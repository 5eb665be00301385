#include "ripieno/kernels/reduce.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Reduce : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Reduce, device_runs(), run_name);

using kernels::Reduction;

struct Case {
  int64_t outer, axis, inner;
};

constexpr Case kCases[] = {{3, 1, 1},    {3, 33, 1},   {2, 1001, 1}, {1, 31, 31}, {3, 5, 7},
                           {1, 9, 100},  {2, 0, 3},    {2, 0, 1},    {1, 0, 5},   {1, 700, 33},
                           {1, 700, 72}, {2, 4100, 1}, {1, 5000, 1}};

template <typename T>
Both<accumulator_t<T>> workspace_for(const Case& c) {
  return Both<accumulator_t<T>>(kernels::reduce_workspace(OnCuda{}, {c.outer, c.axis, c.inner}));
}

TEST_P(Reduce, SumsAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Case& c : kCases) {
      for (const bool accumulate : {false, true}) {
        Both<T> out = some_numbers<T>(c.outer * c.inner, 1);
        Both<T> in = some_numbers<T>(c.outer * c.axis * c.inner, 2);
        auto workspace = workspace_for<T>(c);
        on_both([&](auto place, auto at) {
          kernels::reduce(place, at(out), at(in), at(workspace), {c.outer, c.axis, c.inner},
                          Reduction::kSum, 0.5, accumulate);
        });
        expect_agreement(out, 4 * kTolerance<T>);
      }
    }
  });
}

TEST_P(Reduce, GradientsOfProductsAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Case& c : {Case{3, 1, 1}, {3, 33, 1}, {1, 31, 31}, {2, 0, 3}}) {
      Both<T> grad_in(c.outer * c.axis * c.inner);
      Both<T> grad_out = some_numbers<T>(c.outer * c.inner, 1);
      Both<T> in = some_numbers<T>(grad_in.size(), 2, -1.25, 1.25);
      on_both([&](auto place, auto at) {
        kernels::reduce_product_backward(place, at(grad_in), at(grad_out), at(in),
                                         {c.outer, c.axis, c.inner});
      });
      expect_agreement(grad_in);
    }
  });
}

TEST_P(Reduce, SumsOfFunctionsAgreeWithTheCpu) {
  using enum kernels::Summand;
  const auto check = []<typename T>(Type<T>) {
    for (const Case& c : kCases) {
      for (const kernels::Summand summand : {kMagnitude, kSquare, kPower, kExp}) {
        Both<T> out(c.outer * c.inner), in = some_numbers<T>(c.outer * c.axis * c.inner, 1);
        Both<T> center = some_numbers<T>(out.size(), 2);
        for (const bool is_centered : {false, true}) {
          on_both([&](auto place, auto at) {
            kernels::sum_of(place, at(out), at(in), is_centered ? at(center) : nullptr,
                            {c.outer, c.axis, c.inner}, summand, 1.5);
          });
          expect_agreement(out);
        }
      }
    }
  };
  check(Type<float>{});
  check(Type<double>{});
}

TEST_P(Reduce, MaximaAndTheirGradientsAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Case& c : kCases) {
      Both<T> out(c.outer * c.inner), in = some_numbers<T>(c.outer * c.axis * c.inner, 2);
      Both<T> grad_out = some_numbers<T>(c.outer * c.inner, 3), grad_in(in.size());
      for (int64_t i = 0; i < in.size(); i += 2) in.host()[i] = static_cast<T>(1.5f);  // ties
      in.update_device();
      auto workspace = workspace_for<T>(c);
      on_both([&](auto place, auto at) {
        kernels::reduce(place, at(out), at(in), at(workspace), {c.outer, c.axis, c.inner},
                        Reduction::kMax, 1.0, false);
        kernels::reduce_max_backward(place, at(grad_in), at(grad_out), at(in), at(out),
                                     {c.outer, c.axis, c.inner});
      });
      expect_same_bits(out);
      expect_same_bits(grad_in);
    }
  });
}

TEST_P(Reduce, NanIsTheMaximum) {
  for (const int64_t nan_at : {0, 17, 999}) {
    for (const int64_t inner : {1, 2}) {
      Both<float> out(inner), in = some_numbers<float>(1000 * inner, 1);
      in.host()[nan_at * inner] = std::nanf("");
      in.update_device();
      auto workspace = workspace_for<float>({1, 1000, inner});
      on_both([&](auto place, auto at) {
        kernels::reduce(place, at(out), at(in), at(workspace), {1, 1000, inner}, Reduction::kMax,
                        1.0, false);
      });
      EXPECT_TRUE(std::isnan(out.from_device()[0]));
      expect_agreement(out);
    }
  }
}

TEST_P(Reduce, TheGradientOfANanMaximumGoesToTheFirstNan) {
  Both<float> in{1.0f, std::nanf(""), 2.0f, std::nanf("")}, out(1), grad_out{3.0f}, grad_in(4);
  on_both([&](auto place, auto at) {
    kernels::reduce(place, at(out), at(in), nullptr, {1, 4, 1}, Reduction::kMax, 1.0, false);
    kernels::reduce_max_backward(place, at(grad_in), at(grad_out), at(in), at(out), {1, 4, 1});
  });
  expect_same_bits(grad_in);
  EXPECT_EQ(grad_in.host()[1], 3.0f);
}

TEST_P(Reduce, SumOfSquaresAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : {0, 1, 33, 1001, 10000}) {
      Both<double> out(1), partials((size + kernels::kSumChunk - 1) / kernels::kSumChunk);
      Both<T> in = some_numbers<T>(size, 1);
      on_both([&](auto place, auto at) {
        kernels::sum_of_squares(place, at(out), at(partials), at(in), size);
      });
      expect_agreement(out);
      if (size < 33) continue;
      on_both([&](auto place, auto at) {
        kernels::sum_of_squares(place, at(out), at(partials), at(in) + 1, size - 1);
      });
      expect_agreement(out);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
