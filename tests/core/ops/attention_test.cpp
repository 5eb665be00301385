// What attention() promises beyond the values of tests/parts: documents, dropout, refusals.
#include "ripieno/core/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/rms_norm.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/random.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

Tensor random_heads(const Shape& shape, uint64_t seed, DType dtype = DType::float32) {
  const Tensor x(shape, dtype);
  fill_uniform(x, -1, 1, {seed, 0, 0});
  return x;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// The outputs and gradients of the tokens from `begin` to `end` of one row.
std::vector<float> of_document(Device device, DType dtype, uint64_t other_seed, bool causal,
                               int64_t begin, int64_t end) {
  constexpr int64_t kTime = 150;
  std::vector<Tensor> inputs;
  for (uint64_t i = 0; i < 3; ++i) {
    const Shape shape = {1, kTime, i == 0 ? 4 : 2, 5};
    Tensor x = random_heads(shape, other_seed + i);
    x.slice(1, begin, end).copy_from(random_heads(shape, 1 + i).slice(1, begin, end));
    inputs.push_back(x.to(dtype).to(device));
    inputs.back().set_requires_gradient();
  }
  const DocumentRanges documents =
      document_ranges({{begin, end - begin, kTime - end}}, kTime, device);
  const Tensor out =
      attention(inputs[0], inputs[1], inputs[2], {.causal = causal, .ranges = documents.keys});
  sum(square(out)).backward();
  std::vector<float> values;
  const auto append = [&](const Tensor& x) {
    const auto part = x.slice(1, begin, end).to(DType::float32).to_vector<float>();
    values.insert(values.end(), part.begin(), part.end());
  };
  append(out.detach());
  for (const Tensor& x : inputs) append(x.gradient());
  return values;
}

void expect_separate_documents(Device device) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const bool causal : {true, false}) {
      EXPECT_EQ(of_document(device, dtype, 100, causal, 47, 120),
                of_document(device, dtype, 200, causal, 47, 120));
    }
  }
}

TEST(Attention, OfOneDocumentDoesNotChangeABitWithAnother) {
  expect_separate_documents(Device::cpu());
}

class AttentionOnGpu : public testing::GpuTest {};

TEST_F(AttentionOnGpu, OfOneDocumentDoesNotChangeABitWithAnother) {
  expect_separate_documents(Device::cuda());
}

// The same by operations that hold all probabilities.
Tensor with_all_probabilities(const Tensor& q, const Tensor& k, const Tensor& v,
                              double probability) {
  const auto by_head = [](const Tensor& x) { return x.transpose(1, 2).dense(); };
  const Tensor scores = matmul(by_head(q), by_head(k).transpose(2, 3)) * 0.5;
  const Tensor dropped = dropout(softmax(scores), probability, 7);
  return matmul(dropped, by_head(v)).transpose(1, 2).dense();
}

void expect_dropout_of_probabilities(Device device, double tolerance) {
  const ScopedRandomContext context({.seed = 3, .step = 5, .first_row = 6});
  std::vector<Tensor> inputs[2];
  std::vector<double> results[2];
  for (int i = 0; i < 2; ++i) {
    for (uint64_t j = 0; j < 3; ++j) {
      Tensor x = random_heads({2, j == 0 ? 3 : 70, 2, 4}, j, DType::float64).to(device);
      inputs[i].push_back(x.set_requires_gradient());
    }
    const auto& [q, k, v] = std::tie(inputs[i][0], inputs[i][1], inputs[i][2]);
    const Tensor out = i == 0 ? attention(q, k, v, {.dropout = 0.3, .dropout_stream = 7})
                              : with_all_probabilities(q, k, v, 0.3);
    sum(square(out)).backward();
    for (const Tensor& x : {out.detach(), q.gradient(), k.gradient(), v.gradient()}) {
      const auto values = x.to_vector<double>();
      results[i].insert(results[i].end(), values.begin(), values.end());
    }
  }
  ASSERT_EQ(results[0].size(), results[1].size());
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    ASSERT_NEAR(results[0][i], results[1][i], tolerance) << i;
  }
}

TEST(Attention, DropsTheProbabilitiesThatDropoutDrops) {
  expect_dropout_of_probabilities(Device::cpu(), 1e-10);
}

TEST_F(AttentionOnGpu, DropsTheProbabilitiesThatDropoutDrops) {
  expect_dropout_of_probabilities(Device::cuda(), 1e-10);
}

TEST(Attention, PropagatesNotANumberOnlyToTheQueriesThatSeeIt) {
  Tensor q = random_heads({1, 4, 1, 2}, 1);
  Tensor k = random_heads({1, 4, 1, 2}, 2);
  k.slice(1, 2, 3).copy_from(Tensor::full({1, 1, 1, 2}, NAN));
  const auto values =
      attention(q, k, random_heads({1, 4, 1, 2}, 3), {.causal = true}).to_vector<float>();
  EXPECT_FALSE(std::isnan(values[3]));
  EXPECT_TRUE(std::isnan(values[4]));
}

TEST(Attention, AcceptsViewsOfAPackedTensorWithoutCopies) {
  const Tensor packed = random_heads({2, 9, 6, 4}, 1);
  const Tensor q = packed.slice(2, 0, 2), k = packed.slice(2, 2, 4), v = packed.slice(2, 4, 6);
  EXPECT_EQ(attention(q, k, v, {.causal = true}).to_vector<float>(),
            causal_attention(packed.reshape({2, 9, 24}), 2).to_vector<float>());
}

TEST(Attention, RefusesShapesAndOptionsOutsideTheirDomain) {
  const Tensor q({1, 4, 3, 2}), k({1, 5, 1, 2}), other({1, 5, 2, 2});
  EXPECT_EQ(message_of([&] { attention(q, other, other); }),
            "attention: q is (1, 4, 3, 2), k is (1, 5, 2, 2), v is (1, 5, 2, 2); q must be (batch, "
            "queries, heads, head_size), k and v (batch, keys, key_heads, head_size), and heads a "
            "multiple of key_heads");
  EXPECT_EQ(message_of([&] { attention(q, k, k, {.window = -1}); }),
            "attention: window is -1; it must be positive, or 0 for no window");
  EXPECT_EQ(message_of([&] {
              attention(q, k, k, {.mask = Tensor({2, 1, 4, 5})});
            }),
            "attention: mask is (2, 1, 4, 5); it must broadcast to (batch, heads, queries, keys), "
            "which is (1, 3, 4, 5)");
  EXPECT_EQ(message_of([&] {
              attention(q, k, k, {.mask = Tensor({4, 5}, DType::float64)});
            }),
            "attention: mask is (4, 5) float64 on cpu, q is (1, 4, 3, 2) float32 on cpu; the mask "
            "must be bool or have the type of q");
  EXPECT_EQ(message_of([&] {
              attention(q, k, k, {.ranges = {.end = Tensor({1, 5}, DType::int32)}});
            }),
            "attention: ranges.end is (1, 5) int32 on cpu, q is (1, 4, 3, 2); ranges must be "
            "(batch, queries), int32");
  EXPECT_EQ(message_of([&] { attention(q, k, k, {.dropout = 1.0}); }),
            "dropout: probability must be in [0, 1), got 1");
  EXPECT_EQ(message_of([&] { attention(q, k, k, {.scale = NAN}); }),
            "attention: scale is nan; it must be finite");
}

TEST(Attention, ClampsRangesToTheKeys) {
  const Tensor q = random_heads({1, 1, 1, 2}, 1), k = random_heads({1, 3, 1, 2}, 2);
  const Tensor low = Tensor::of<int32_t>({1, 1}, {-7}), high = Tensor::of<int32_t>({1, 1}, {99});
  EXPECT_EQ(attention(q, k, k, {.ranges = {low, high}}).to_vector<float>(),
            attention(q, k, k).to_vector<float>());
}

TEST(DocumentRanges, RefuseLengthsThatDoNotFillTheRow) {
  EXPECT_EQ(message_of([] {
              document_ranges({{2, 3}}, 6);
            }),
            "document_ranges: the documents of a row have 5 tokens, the row has 6; they must be "
            "equal");
  EXPECT_EQ(message_of([] {
              document_ranges({{2, 5}}, 6);
            }),
            "document_ranges: a document of length 5 begins at token 2 of a row of 6; it must fit");
}

// Rows that are too long for the registers of a block.
class RmsNormOnGpu : public testing::GpuTest {};

TEST_F(RmsNormOnGpu, EqualsTheCpuForLongRows) {
  std::vector<double> results[2];
  for (int i = 0; i < 2; ++i) {
    const Device device = i == 0 ? Device::cpu() : Device::cuda();
    Tensor x = random_heads({37, 2100}, 1, DType::float64).to(device);
    Tensor branch = random_heads({37, 2100}, 2, DType::float64).to(device);
    Tensor weight = random_heads({2100}, 3, DType::float64).to(device);
    for (Tensor* leaf : {&x, &branch, &weight}) leaf->set_requires_gradient();
    const auto [total, normalized] = residual_rms_norm({.x = x, .branch = branch}, weight);
    sum(normalized * total).backward();
    for (const Tensor& y :
         {normalized.detach(), x.gradient(), branch.gradient(), weight.gradient()}) {
      const auto values = y.to_vector<double>();
      results[i].insert(results[i].end(), values.begin(), values.end());
    }
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    ASSERT_NEAR(results[0][i], results[1][i], 1e-10) << i;
  }
}

}  // namespace
}  // namespace ripieno
