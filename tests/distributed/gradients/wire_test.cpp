#include "ripieno/distributed/gradients/wire.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "distributed/allocations.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"

namespace ripieno::distributed::testing {
namespace {

std::vector<float> numbers_of(int rank, int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(static_cast<float>(i) * 0.7f + static_cast<float>(rank)) * 3.0f;
  }
  return values;
}

float rounded(float value) { return static_cast<float>(bfloat16(value)); }

std::vector<float> rounded_sum(int ranks, int64_t count) {
  std::vector<float> total(static_cast<std::size_t>(count), 0.0f);
  for (int rank = 0; rank < ranks; ++rank) {
    const auto values = numbers_of(rank, count);
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += rounded(values[i]);
  }
  for (float& value : total) value = rounded(value);
  return total;
}

TEST(Bfloat16Wire, RoundsEachRankSumsInFloatAndRoundsTheSum) {
  for (const int size : {2, 3, 4}) {
    on_every_rank(size, [&](Communicator& ranks) {
      const auto sum = sum_over_bfloat16_wire(ranks);
      for (const int64_t count : {1, 1001, 33}) {  // the buffer grows, then is larger than required
        const Tensor x = Tensor::of({count}, numbers_of(ranks.rank(), count));
        sum->sum({}, x);
        EXPECT_EQ(x.to_vector<float>(), rounded_sum(size, count));
      }
    });
  }
}

TEST(Bfloat16Wire, SixteenBitGradientsAreNotConverted) {
  on_every_rank(2, [](Communicator& ranks) {
    // Not representable in bfloat16.
    const Tensor x = Tensor::full({3}, 1.0 + 0x1p-10, DType::float16);
    sum_over_bfloat16_wire(ranks)->sum({}, x);
    EXPECT_EQ(x.to(DType::float32).to_vector<float>(), std::vector<float>(3, 2.0f + 0x1p-9f));
  });
}

TEST(Bfloat16Wire, TrainsAlmostAsWithFloat32) {
  const TrainingJob plain{.steps = 20};
  TrainingJob narrow = plain;
  narrow.options.wire = DType::bfloat16;
  on_every_rank(3, [&](Communicator& ranks) {
    const auto expected = plain.train(ranks), result = narrow.train(ranks);
    EXPECT_NE(result.parameters, expected.parameters);
    EXPECT_NEAR(result.losses.back(), expected.losses.back(), 0.005 * expected.losses.back());
    const Tensor mine =
        Tensor::of({static_cast<int64_t>(result.parameters.size())}, result.parameters);
    ranks.broadcast(mine, 0);
    EXPECT_EQ(result.parameters, mine.to_vector<float>()) << "differs between ranks";
  });
}

TEST(Bfloat16Wire, ASteadyStepAllocatesNothing) {
  on_every_rank(2, [](Communicator& ranks) {
    const auto sum = sum_over_bfloat16_wire(ranks);
    const Tensor x = Tensor::zeros({1001});
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int round = 0; round < 20; ++round) {
      const int64_t before = allocations();
      sum->sum({}, x);
      least = std::min(least, allocations() - before);
    }
    EXPECT_EQ(least, 0);
  });
}

TEST(Bfloat16Wire, OtherTypesAreRejected) {
  TrainingJob job;
  job.options.wire = DType::float16;
  EXPECT_THROW(job.train(*alone()), ConfigurationError);
}

}  // namespace
}  // namespace ripieno::distributed::testing
