#include "ripieno/core/models/gpt.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ripieno/core/random.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

Tensor random_tokens(int64_t rows, const nn::GptOptions& options, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<int32_t> tokens(static_cast<std::size_t>(rows * options.context));
  for (auto& token : tokens) token = static_cast<int32_t>(generator() % options.vocab);
  return Tensor::of<int32_t>({rows, options.context}, tokens);
}

// The mean loss of an untrained model for random tokens and independent targets: the head is tied
// to the embedding, so that a target that equals its input would be more likely than others.
double first_loss(const nn::GptOptions& options, int64_t batch, Device device, DType precision) {
  random_context().seed = 1;
  nn::Gpt model(options);
  model.to(device, precision);
  const Tensor ids = random_tokens(batch, options, 1).to(device);
  const Tensor targets = random_tokens(batch, options, 2).to(device);
  return model.loss(ids, targets).mean();
}

// Knowing nothing, a model gives each token the same probability. A kernel that is wrong for the
// sizes of a real model shows here first.
void expect_near_logarithm_of_vocabulary(const nn::GptOptions& options, int64_t batch,
                                         Device device, DType precision) {
  const double expected = std::log(static_cast<double>(options.vocab));
  EXPECT_NEAR(first_loss(options, batch, device, precision), expected, 0.2);
}

constexpr nn::GptOptions kSmall{
    .vocab = 1001, .layers = 2, .heads = 4, .channels = 64, .context = 32};

TEST(Gpt, TheFirstLossIsNearTheLogarithmOfTheVocabulary) {
  for (const DType precision : {DType::float32, DType::bfloat16}) {
    expect_near_logarithm_of_vocabulary(kSmall, 2, Device::cpu(), precision);
  }
}

class GptOnGpu : public testing::GpuTest {};

TEST_F(GptOnGpu, TheFirstLossIsNearTheLogarithmOfTheVocabulary) {
  nn::GptOptions options{.vocab = 50304, .layers = 4, .heads = 12, .channels = 768};
  const bool is_emulated =
      kernels::cuda::describe().find("emulated on the CPU") != std::string::npos;
  if (is_emulated) options = kSmall;  // the emulator would take minutes
  for (const DType precision : {DType::float32, DType::bfloat16, DType::float16}) {
    expect_near_logarithm_of_vocabulary(options, 2, Device::cuda(), precision);
  }
}

}  // namespace
}  // namespace ripieno
