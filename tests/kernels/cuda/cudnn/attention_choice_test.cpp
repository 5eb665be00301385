// Tests when attention uses a library and when built-in kernels, with a library that records calls.
#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <vector>

#include "kernel_test.h"
#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cuda/cudnn/attention_plan.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno::testing {
namespace {

struct RecordingPlan : kernels::cuda::AttentionPlan {
  int64_t bytes = 0;
  std::vector<std::vector<void*>> runs;
  std::vector<void*> workspaces;
  bool works = true;

  int64_t workspace_bytes() const override { return bytes; }
  bool run(OnCuda, std::span<void* const> memory, void* workspace) override {
    runs.emplace_back(memory.begin(), memory.end());
    workspaces.push_back(workspace);
    return works;
  }
};

RecordingPlan plan;
bool has_plan = true;
std::vector<kernels::cuda::ElementType> asked_for;

}  // namespace
}  // namespace ripieno::testing

namespace ripieno::kernels::cuda {

AttentionPlan* attention_plan(AttentionPass, const AttentionShape&, ElementType type) {
  testing::asked_for.push_back(type);
  return testing::has_plan ? &testing::plan : nullptr;
}

}  // namespace ripieno::kernels::cuda

namespace ripieno::testing {
namespace {

// One head of 8 channels, packed, with spare memory to misalign it.
constexpr int64_t kTime = 4, kSize = 8;
const kernels::AttentionShape kShape{.batch = 1,
                                     .time = kTime,
                                     .heads = 1,
                                     .head_size = kSize,
                                     .qkv_batch_stride = kTime * 3 * kSize,
                                     .qkv_time_stride = 3 * kSize};

class AttentionChoice : public ::testing::Test {
 protected:
  void SetUp() override {
    plan = {};
    has_plan = true;
    asked_for.clear();
  }
  void TearDown() override { kernels::set_numerics({}); }

  template <typename T>
  void forward(int64_t offset = 0, const kernels::AttentionShape& shape = kShape) {
    const T* q = qkv<T>() + offset;
    kernels::attention_forward(OnCuda{}, reinterpret_cast<T*>(out_.device()), lse_.device(),
                               workspace_.device(), q, q + kSize, q + 2 * kSize, shape);
  }
  template <typename T>
  T* qkv() {
    return reinterpret_cast<T*>(qkv_.device());
  }
  // NaN unless a built-in kernel has run.
  bool ours_ran() { return lse_.from_device()[0] == lse_.from_device()[0]; }

  // In floats, which is enough for all types.
  Both<float> qkv_ = some_numbers<float>(kTime * 3 * kSize + 8, 1);
  Both<float> out_ = Both<float>(kTime * kSize), lse_ = Both<float>(2 * kTime);
  Both<float> workspace_ = Both<float>(64);
};

TEST_F(AttentionChoice, SixteenBitTypesUseTheLibrary) {
  forward<bfloat16>();
  forward<float16>();
  EXPECT_EQ(asked_for, (std::vector{kernels::cuda::ElementType::kBFloat16,
                                    kernels::cuda::ElementType::kFloat16}));
  ASSERT_EQ(plan.runs.size(), 2u);
  const auto* const q = qkv<float16>();
  const std::vector<const void*> expected = {q, q + kSize, q + 2 * kSize, out_.device(),
                                             lse_.device()};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), plan.runs[1].begin()));
  EXPECT_EQ(plan.workspaces[1], workspace_.device());
  EXPECT_FALSE(ours_ran());
}

TEST_F(AttentionChoice, TheRoundingErrorIsZeroWithALibrary) {
  forward<bfloat16>();
  const auto sums = lse_.from_device();
  EXPECT_EQ(std::vector(sums.get() + kTime, sums.get() + 2 * kTime), std::vector(kTime, 0.0f));
}

TEST_F(AttentionChoice, LibraryCallsAreListedInLaterErrors) {
  forward<bfloat16>();
  EXPECT_THAT(
      kernels::cuda::recent_work(),
      ::testing::HasSubstr("attention forward (batch, time, heads, head size) (1, 4, 1, 8)"));
}

TEST_F(AttentionChoice, FloatUsesBuiltInKernels) {
  forward<float>();
  EXPECT_TRUE(asked_for.empty());
  EXPECT_TRUE(ours_ran());
}

TEST_F(AttentionChoice, WithoutAPlanBuiltInKernelsAreUsed) {
  has_plan = false;
  forward<bfloat16>();
  EXPECT_TRUE(ours_ran());
  EXPECT_EQ(kernels::attention_forward_workspace_bytes<bfloat16>(OnCuda{}, kShape), 0);
}

TEST_F(AttentionChoice, AForwardWhosePlanFailsUsesBuiltInKernels) {
  plan.works = false;
  forward<bfloat16>();
  EXPECT_EQ(plan.runs.size(), 1u);
  EXPECT_TRUE(ours_ran());
}

TEST_F(AttentionChoice, ABackwardWhosePlanFailsUsesBuiltInKernels) {
  plan.works = false;
  auto packed = some_numbers<bfloat16>(kTime * 3 * kSize, 1);
  auto grad_out = some_numbers<bfloat16>(kTime * kSize, 2);
  Both<bfloat16> out(kTime * kSize), gradients(kTime * 3 * kSize);
  const bfloat16* const q = packed.device();
  bfloat16* const grad = gradients.device();
  kernels::attention_forward(OnCuda{}, out.device(), lse_.device(), workspace_.device(), q,
                             q + kSize, q + 2 * kSize, kShape);
  kernels::attention_backward(
      OnCuda{},
      kernels::AttentionBackwardArguments<bfloat16>{.grad_q = grad,
                                                    .grad_k = grad + kSize,
                                                    .grad_v = grad + 2 * kSize,
                                                    .workspace = workspace_.device(),
                                                    .grad_out = grad_out.device(),
                                                    .q = q,
                                                    .k = q + kSize,
                                                    .v = q + 2 * kSize,
                                                    .out = out.device(),
                                                    .log_sum_exp = lse_.device()},
      kShape);
  EXPECT_EQ(plan.runs.size(), 2u);
  const auto computed = gradients.from_device();
  for (int64_t i = 0; i < gradients.size(); ++i) {
    EXPECT_TRUE(std::isfinite(to_double(computed[i]))) << i;
  }
}

TEST_F(AttentionChoice, TheLibraryCanBeDisabled) {
  kernels::set_numerics({.library_attention = false});
  forward<bfloat16>();
  EXPECT_TRUE(asked_for.empty());
  EXPECT_TRUE(ours_ran());
}

TEST_F(AttentionChoice, ShapesNotWorthCompilingUseBuiltInKernels) {
  kernels::AttentionShape shape = kShape;
  shape.worth_compiling = false;
  forward<bfloat16>(0, shape);
  EXPECT_TRUE(asked_for.empty());
  EXPECT_TRUE(ours_ran());
}

TEST_F(AttentionChoice, MisalignedMemoryUsesBuiltInKernels) {
  forward<bfloat16>(1);
  EXPECT_TRUE(plan.runs.empty());
  EXPECT_TRUE(ours_ran());
}

TEST_F(AttentionChoice, TheBackwardWorkspaceIsLargeEnoughForBoth) {
  const auto bytes = [] {
    return kernels::attention_backward_workspace_bytes<bfloat16>(OnCuda{}, kShape);
  };
  EXPECT_EQ(bytes(), kTime * 4);
  plan.bytes = 1000;
  EXPECT_EQ(bytes(), 1000);
}

TEST_F(AttentionChoice, ABackwardReceivesAllItsTensors) {
  std::array<bfloat16*, 9> at;
  for (int i = 0; i < 9; ++i) at[i] = reinterpret_cast<bfloat16*>(int64_t{16} * (i + 1));
  kernels::attention_backward(
      OnCuda{},
      kernels::AttentionBackwardArguments<bfloat16>{.grad_q = at[6],
                                                    .grad_k = at[7],
                                                    .grad_v = at[8],
                                                    .grad_out = at[4],
                                                    .q = at[0],
                                                    .k = at[1],
                                                    .v = at[2],
                                                    .out = at[3],
                                                    .log_sum_exp = reinterpret_cast<float*>(at[5])},
      kShape);
  ASSERT_EQ(plan.runs.size(), 1u);
  EXPECT_TRUE(std::equal(at.begin(), at.end(), plan.runs[0].begin()));
}

}  // namespace
}  // namespace ripieno::testing
