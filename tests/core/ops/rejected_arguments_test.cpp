// What element-wise, shape, indexing and reduction operations refuse: each message names the
// operation, what was found and what is required.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device_faults.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/creators.h"
#include "ripieno/core/ops/einsum.h"
#include "ripieno/core/ops/functions.h"
#include "ripieno/core/ops/indexing.h"
#include "ripieno/core/ops/order.h"
#include "ripieno/core/ops/rearrange.h"
#include "ripieno/core/ops/recurrent.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/swiglu.h"
#include "ripieno/core/random.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

struct Refused {
  std::function<void()> call;
  std::string operation, found, required;
};

void expect_all(const std::vector<Refused>& all) {
  for (const Refused& refused : all) {
    EXPECT_THAT(refused.call,
                ThrowsMessage<Error>(AllOf(StartsWith(refused.operation), HasSubstr(refused.found),
                                           HasSubstr(refused.required))));
  }
}

const Tensor x = Tensor::ones({2, 3}), ints = Tensor::arange(6).reshape({2, 3});

TEST(RejectedArguments, OfElementWiseOperationsAreNamed) {
  const Tensor row = Tensor::ones({4}), wide = Tensor::ones({2, 3}, DType::float64);
  expect_all({
      {[&] { (void)(x + row); }, "add:", "(2, 3) and (4)", "must be equal or 1"},
      {[&] { (void)maximum(x, row); }, "maximum:", "(2, 3) and (4)", "must be equal or 1"},
      {[&] { (void)(x < row); }, "<:", "(2, 3) and (4)", "must be equal or 1"},
      {[&] { (void)pow(x, wide); }, "pow:", "float64", "must match"},
      {[&] { (void)(x == ints); }, "==:", "int64", "must match"},
      {[&] { (void)where(x, x, ints); }, "where:", "int64", "must match"},
      {[&] { (void)masked_fill(row, x, 0); }, "masked_fill:", "(2, 3)", "broadcast"},
      {[&] { (void)masked_fill(Tensor::ones({3}), x, 0); }, "masked_fill:", "(2, 3)",
       "must broadcast to the shape of x"},
      {[&] { (void)sin(ints); }, "sin:", "int64", "floating-point"},
      {[&] { (void)silu(ints); }, "silu:", "int64", "floating-point"},
      {[&] { (void)(ints + 0.5); }, "add:", "0.5", "to(DType::float32)"},
      {[&] { (void)(ints.to(DType::uint8) + 256); }, "add:", "256", "uint8"},
      {[&] { (void)floor_divide(x, x); }, "floor_divide:", "float32", "int64, int32 or uint8"},
      {[&] { (void)((x > 0) + (x > 0)); }, "add:", "bool", "convert with to()"},
      {[&] { (void)clamp(x, std::nan(""), 1); }, "clamp:", "nan", "must not be NaN"},
      {[&] { (void)softplus(x, 0); }, "softplus:", "0", "positive"},
      {[&] { (void)prelu(x, Tensor::ones({4})); }, "prelu:", "(4)", "3 channels"},
      {[&] { (void)glu(x); }, "glu:", "size 3", "even"},
      {[&] { (void)swiglu(x, row); }, "swiglu:", "(4)", "must match"},
      {[&] { (void)abs(Tensor()); }, "abs:", "x", "undefined"},
  });
}

TEST(RejectedArguments, OfShapeOperationsAreNamed) {
  expect_all({
      {[&] { (void)concat({}); }, "concat:", "no tensor", "at least one"},
      {[&] {
         (void)concat({x, Tensor::ones({2, 4})});
       },
       "concat:", "(2, 4)", "along axis 0"},
      {[&] {
         (void)concat({x, ints});
       },
       "concat:", "int64", "same type"},
      {[&] {
         (void)concat({x, Tensor()});
       },
       "concat:", "tensor 1", "undefined"},
      {[&] { (void)concat({x}, 2); }, "concat:", "axis 2", "from -2 to 1"},
      {[&] {
         (void)stack({x, Tensor::ones({3, 3})});
       },
       "stack:", "(3, 3)", "the same shape"},
      {[&] { (void)stack({x}, 4); }, "stack:", "axis 4", "from -3 to 2"},
      {[&] {
         (void)split(x, std::vector<int64_t>{1, 1}, 1);
       },
       "split:", "(1, 1)", "add up to 3"},
      {[&] {
         (void)split(x, std::vector<int64_t>{4, -1}, 1);
       },
       "split:", "-1", "not be negative"},
      {[&] { (void)split(x, 0); }, "split:", "0", "at least 1"},
      {[&] { (void)chunk(x, 0); }, "chunk:", "0", "at least 1"},
      {[&] { (void)pad(x, {1}); }, "pad:", "(1)", "two widths"},
      {[&] {
         (void)pad(x, {1, -1});
       },
       "pad:", "-1", "slice()"},
      {[&] {
         (void)pad(x, {3, 0}, Padding::reflect);
       },
       "pad:", "(3, 0)", "less than the size"},
      {[&] {
         (void)flip(x, {0, -2});
       },
       "flip:", "(0, -2)", "given once"},
      {[&] { (void)repeat(x, {2}); }, "repeat:", "(2)", "for each axis"},
      {[&] {
         (void)repeat(x, {2, -1});
       },
       "repeat:", "-1", "not negative"},
      {[&] { (void)unfold(x, 1, 4, 1); }, "unfold:", "size 4", "from 1 to 3"},
      {[&] { (void)unfold(x, 1, 2, 0); }, "unfold:", "step 0", "at least 1"},
      {[&] { (void)tril(Tensor::ones({3})); }, "tril:", "(3)", "two axes"},
      {[&] { (void)x.permute({0}); }, "permute:", "(0)", "every axis"},
      {[&] {
         (void)x.permute({0, 0});
       },
       "permute:", "(0, 0)", "given once"},
      {[&] { (void)x.squeeze(1); }, "squeeze:", "size 3", "size 1"},
      {[&] { (void)x.unsqueeze(4); }, "unsqueeze:", "axis 4", "from -3 to 2"},
      {[&] { (void)x[2]; }, "x[index]:", "(2, 3)", "from -2 to 1"},
      {[&] { (void)x.sum()[0]; }, "x[index]:", "scalar", "no axis"},
      {[&] { (void)x.slice(0, 0, 2, 0); }, "slice:", "step is 0", "at least 1"},
      {[&] { (void)Tensor::arange(1, 5, 0); }, "arange:", "step is 0", "positive or negative"},
      {[&] { (void)Tensor::arange(1.0, std::nan("")); }, "arange:", "nan", "finite"},
      {[&] { (void)Tensor::linspace(0, 1, -1); }, "linspace:", "-1", "not be negative"},
      {[&] { (void)Tensor::eye(-1); }, "eye:", "-1", "not be negative"},
      {[&] { (void)Tensor::randn({2}, DType::int32); }, "random:", "int32", "floating-point"},
  });
}

TEST(RejectedArguments, OfIndexingAreNamed) {
  const Tensor index = Tensor::zeros({2, 2}, DType::int64);
  expect_all({
      {[&] { (void)gather(x, 1, x); }, "gather:", "float32", "int64 or int32"},
      {[&] { (void)gather(x, 1, index[0]); }, "gather:", "(2)", "same rank"},
      {[&] {
         (void)gather(x, 0, Tensor::zeros({2, 4}, DType::int64));
       },
       "gather:", "(2, 4)", "at most the sizes"},
      {[&] { (void)gather(x, 1, index - 1); }, "gather:", "-1 at position 0", "[0, 3)"},
      {[&] { (void)gather(x, 1, index + (int64_t{1} << 32)); }, "gather:", "2147483647", "[0, 3)"},
      {[&] { (void)scatter(x, 1, index, x); }, "scatter:", "(2, 3)", "must match"},
      {[&] {
         (void)scatter(x, 1, index + 3, Tensor::ones({2, 2}));
       },
       "scatter:", "3", "[0, 3)"},
      {[&] {
         (void)scatter_add(x, 1, index + 3, Tensor::ones({2, 2}));
       },
       "scatter_add:", "3", "[0, 3)"},
      {[&] { (void)scatter_add(ints, 1, index, index); }, "scatter_add:", "int64",
       "floating-point"},
      {[&] { (void)index_select(x, 0, index); }, "index_select:", "(2, 2)", "one axis"},
      {[&] { (void)index_select(x, 0, index[0] + 2); }, "index_select:", "2", "[0, 2)"},
      {[&] {
         (void)index_select(Tensor::ones({0, 3}), 0, index[0]);
       },
       "index_select:", "(2)", "no elements"},
      {[&] { (void)one_hot(index, 0); }, "one_hot:", "0", "at least 1"},
      {[&] { (void)one_hot(index + 2, 2); }, "one_hot:", "2", "[0, 2)"},
      {[&] {
         (void)argmax(Tensor::ones({2, 0}), 1);
       },
       "argmax:", "(2, 0)", "at least one"},
      {[&] { (void)sort(x > 0); }, "sort:", "bool", "uint8"},
      {[&] { (void)top_k(x, 4); }, "top_k:", "4", "from 0 to 3"},
      {[&] { (void)top_k(x, -1); }, "top_k:", "-1", "not be negative"},
      {[&] { (void)cumsum(x, 2); }, "cumsum:", "axis 2", "from -2 to 1"},
      {[&] { (void)einsum("ij", {x}); }, "einsum:", "ij", "->"},
      {[&] { (void)einsum("ii->i", {x}); }, "einsum:", "'i' occurs twice", "diagonals"},
      {[&] { (void)einsum("ij->k", {x}); }, "einsum:", "'k'", "no tensor"},
      {[&] { (void)einsum("ijk->k", {x}); }, "einsum:", "(2, 3)", "3 letters"},
      {[&] {
         (void)einsum("ij,jk->ik", {x, x});
       },
       "einsum:", "3 and 2", "must match"},
      {[&] { (void)einsum("ij,jk->ik", {x}); }, "einsum:", "1 were given", "one or two"},
  });
}

TEST(RejectedArguments, OfReductionsAreNamed) {
  const Tensor empty = Tensor::ones({2, 0});
  expect_all({
      {[&] { (void)sum(x, 2); }, "sum:", "axis 2", "from -2 to 1"},
      {[&] {
         (void)sum(x, {0, -2});
       },
       "sum:", "(0, -2)", "given once"},
      {[&] { (void)max(empty, 1); }, "max:", "(2, 0)", "at least one element"},
      {[&] { (void)min(empty); }, "min:", "(0)", "at least one element"},
      {[&] { (void)mean(ints); }, "mean:", "int64", "floating-point"},
      {[&] { (void)var(ints); }, "var:", "int64", "floating-point"},
      {[&] { (void)norm(x, 0, 0.0); }, "norm:", "p is 0", "positive"},
      {[&] { (void)logsumexp(ints, 0); }, "logsumexp:", "int64", "floating-point"},
      {[&] { (void)any(Tensor()); }, "any:", "x", "undefined"},
  });
}

TEST(InPlaceArithmetic, WritesTheMemoryOfAllHandlesUnlessItIsRecorded) {
  Tensor a = Tensor::ones({2});
  const Tensor same = a, view = a.slice(0, 0, 1);
  const uint64_t before = a.version();
  a += Tensor::of({2}, {1.f, 2.f});
  EXPECT_THAT(same.to_vector<float>(), ElementsAre(2, 3));
  EXPECT_THAT(view.to_vector<float>(), ElementsAre(2));
  EXPECT_GT(a.version(), before);
  a[1] *= 2;
  EXPECT_THAT(a.to_vector<float>(), ElementsAre(2, 6));
  Tensor wide = Tensor::ones({2, 2}).transpose(0, 1);
  wide /= Tensor::of({2}, {1.f, 4.f});
  EXPECT_THAT(wide.to_vector<float>(), ElementsAre(1, 0.25f, 1, 0.25f));
  Tensor count = Tensor::zeros({2}, DType::int64);
  count += 3;
  count -= Tensor::arange(2);
  EXPECT_THAT(count.to_vector<int64_t>(), ElementsAre(3, 2));
}

TEST(InPlaceArithmetic, IsRecordedAsANewTensorIfAGradientIsRequired) {
  Tensor weight = Tensor::ones({2}).set_requires_gradient();
  Tensor total = Tensor::zeros({2});
  const Tensor old = total;
  total += weight * 3;
  total *= weight;
  total.sum().backward();
  EXPECT_THAT(weight.gradient().to_vector<float>(), ElementsAre(6, 6));
  EXPECT_THAT(old.to_vector<float>(), ElementsAre(0, 0));
}

TEST(InPlaceArithmetic, RefusesWhatItCannotRecord) {
  Tensor weight = Tensor::ones({2}).set_requires_gradient();
  Tensor small = Tensor::ones({1}), number = Tensor::ones({2}, DType::int64);
  expect_all({
      {[&] { weight += 1; }, "+=:", "leaf", "NoGrad"},
      {[&] { Tensor::ones({2})[0] *= weight[0]; }, "*=:", "view", "NoGrad"},
      {[&] { small += Tensor::ones({2}); }, "+=:", "(2)", "same shape"},
      {[&] { number /= 2; }, "/=:", "float32", "same shape and type"},
  });
  EXPECT_THAT(small.to_vector<float>(), ElementsAre(1));
  const NoGrad no_grad;
  weight += 1;
  EXPECT_THAT(weight.to_vector<float>(), ElementsAre(2, 2));
}

TEST(InPlaceArithmetic, OfASavedTensorIsFoundByItsBackward) {
  const Tensor weight = Tensor::ones({2}).set_requires_gradient();
  Tensor factor = Tensor::ones({2});
  const Tensor product = weight * factor;
  factor += 1;
  EXPECT_THAT([&] { product.sum().backward(); }, ThrowsMessage<Error>(HasSubstr("multiply")));
}

class GatheredOnAGpu : public testing::GpuTest {};

TEST_F(GatheredOnAGpu, ReadsZeroForAnIndexOutOfRangeAndReportsIt) {
  const Device gpu = Device::cuda();
  const Tensor values = Tensor::of({3}, {1.f, 2.f, 3.f}).to(gpu);
  const Tensor index = Tensor::of<int64_t>({3}, {2, 7, 0}).to(gpu);
  EXPECT_THAT(gather(values, 0, index).to_vector<float>(), ElementsAre(3, 0, 1));
  EXPECT_THAT([&] { require_no_fault(gpu); },
              ThrowsMessage<DataError>(AllOf(StartsWith("gather:"), HasSubstr("index 7"))));
  EXPECT_THAT(index_select(values, 0, index).to_vector<float>(), ElementsAre(3, 0, 1));
  EXPECT_THAT([&] { require_no_fault(gpu); },
              ThrowsMessage<DataError>(StartsWith("index_select:")));
  const Tensor added = scatter_add(values, 0, index, Tensor::ones({3}).to(gpu));
  EXPECT_THAT(added.to_vector<float>(), ElementsAre(2, 2, 4));
  EXPECT_THAT([&] { require_no_fault(gpu); }, ThrowsMessage<DataError>(StartsWith("scatter_add:")));
}

TEST(RandomTensors, DifferBetweenCallsAndRepeatInARerunOfTheStep) {
  const ScopedRandomContext scoped({.seed = 5, .step = 3});
  const auto first = Tensor::randn({33}).to_vector<float>();
  EXPECT_NE(first, Tensor::randn({33}).to_vector<float>());
  random_context().step = 4;
  EXPECT_NE(first, Tensor::randn({33}).to_vector<float>());
  random_context().step = 3;
  EXPECT_EQ(first, Tensor::randn({33}).to_vector<float>());
  for (const float number : Tensor::rand({1001}).to_vector<float>()) {
    EXPECT_GT(number, 0.0f);
    EXPECT_LE(number, 1.0f);
  }
}

TEST(RejectedArguments, RecurrentLayersRequireAHiddenElement) {
  const RecurrentWeights weights{.input = Tensor({0, 4}), .recurrent = Tensor({0, 0})};
  EXPECT_THAT(
      [&] {
        lstm(Tensor({2, 3, 4}), weights);
      },
      ThrowsMessage<Error>(HasSubstr("recurrent is (0, 0)")));
  EXPECT_THAT(
      [&] {
        gru(Tensor({2, 3, 4}), weights);
      },
      ThrowsMessage<Error>(HasSubstr("recurrent is (0, 0)")));
}

}  // namespace
}  // namespace ripieno
