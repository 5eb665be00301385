// Compares the attention of the library, cuDNN, with that of the built-in kernels on a GPU, at the
// sizes of GPT-2.
#include "ripieno/kernels/attention_library.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "kernel_test.h"
#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno::testing {
namespace {

constexpr int64_t kBatch = 2, kTime = 1024, kHeads = 12, kHeadSize = 64;
constexpr int64_t kChannels = kHeads * kHeadSize, kSize = kBatch * kTime * kChannels;

kernels::AttentionShape shape_of(bool repeatable) {
  return {.batch = kBatch,
          .time = kTime,
          .heads = kHeads,
          .head_size = kHeadSize,
          .qkv_batch_stride = kTime * 3 * kChannels,
          .qkv_time_stride = 3 * kChannels,
          .scale = 0.125,
          .repeatable = repeatable};
}

// Both passes with the same inputs.
template <typename T>
struct Passes {
  Both<T> qkv = some_numbers<T>(3 * kSize, 1), grad_out = some_numbers<T>(kSize, 2);
  Both<T> out = Both<T>(kSize), gradient = Both<T>(3 * kSize);

  Passes(bool by_library, const kernels::AttentionShape& shape) {
    kernels::set_numerics({.library_attention = by_library});
    Both<float> log_sum_exp(2 * kBatch * kHeads * kTime);
    Both<unsigned char> workspace(
        std::max(kernels::attention_forward_workspace_bytes<T>(OnCuda{}, shape),
                 kernels::attention_backward_workspace_bytes<T>(OnCuda{}, shape)));
    const T* const q = qkv.device();
    T* const grad_q = gradient.device();
    kernels::attention_forward(OnCuda{}, out.device(), log_sum_exp.device(), workspace.device(), q,
                               q + kChannels, q + 2 * kChannels, shape);
    kernels::attention_backward(
        OnCuda{},
        kernels::AttentionBackwardArguments<T>{.grad_q = grad_q,
                                               .grad_k = grad_q + kChannels,
                                               .grad_v = grad_q + 2 * kChannels,
                                               .workspace = workspace.device(),
                                               .grad_out = grad_out.device(),
                                               .q = q,
                                               .k = q + kChannels,
                                               .v = q + 2 * kChannels,
                                               .out = out.device(),
                                               .log_sum_exp = log_sum_exp.device()},
        shape);
    kernels::set_numerics({});
  }
};

// The size of the difference relative to that of b.
template <typename T>
double distance(const Both<T>& a, const Both<T>& b) {
  const auto of_a = a.from_device(), of_b = b.from_device();
  double difference = 0, size = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = to_double(of_a[i]), y = to_double(of_b[i]);
    difference += (x - y) * (x - y);
    size += y * y;
  }
  return std::sqrt(difference / size);
}

class AttentionLibrary : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, AttentionLibrary, device_runs(), run_name);

template <typename T>
void expect_agreement_with_built_in_kernels(double tolerance) {
  for (const bool repeatable : {false, true}) {
    SCOPED_TRACE(repeatable ? "repeatable" : "not repeatable");
    const auto shape = shape_of(repeatable);
    const Passes<T> of_library(true, shape), built_in(false, shape);
    EXPECT_LT(distance(of_library.out, built_in.out), tolerance);
    EXPECT_LT(distance(of_library.gradient, built_in.gradient), tolerance);
  }
}

TEST_P(AttentionLibrary, AgreesWithTheBuiltInKernelsAtTheSizesOfGpt2) {
  if (!kernels::attention_library_is_used()) GTEST_SKIP() << kernels::attention_library();
  const std::string before = kernels::attention_library();
  expect_agreement_with_built_in_kernels<bfloat16>(0.02);
  expect_agreement_with_built_in_kernels<float16>(0.005);
  EXPECT_EQ(kernels::attention_library(), before) << "the library did not compute these shapes";
}

}  // namespace
}  // namespace ripieno::testing
