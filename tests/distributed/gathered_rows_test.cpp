#include "ripieno/distributed/gathered_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distributed/on_every_rank.h"
#include "ripieno/core/random.h"

namespace ripieno::distributed::testing {
namespace {

Tensor embeddings(int64_t rows, uint64_t seed) {
  const Tensor x({rows, 5}, DType::float64);
  fill_normal(x, 0.0, 1.0, {.seed = seed});
  return x;
}

// The rows of one rank, as a leaf.
Tensor part_of(const Tensor& all, const Communicator& ranks) {
  const int64_t rows = all.size(0) / ranks.size();
  Tensor part = all.slice(0, ranks.rank() * rows, (ranks.rank() + 1) * rows).clone();
  return part.set_requires_gradient();
}

void expect_rows(const Tensor& actual, const Tensor& of_all, const Communicator& ranks) {
  EXPECT_THAT(actual.to_vector<double>(),
              ::testing::Pointwise(::testing::DoubleNear(1e-12),
                                   part_of(of_all, ranks).to_vector<double>()));
}

TEST(GatheredRows, GiveInfoNceTheLossAndGradientsOfOneRankWithAllRows) {
  for (const bool symmetric : {false, true}) {
    Tensor queries = embeddings(12, 1), keys = embeddings(12, 2);
    queries.set_requires_gradient();
    keys.set_requires_gradient();
    const Loss whole = info_nce(queries, keys, {.temperature = 0.5, .symmetric = symmetric});
    whole.sum.backward();
    for (const int size : {1, 2, 3}) {
      on_every_rank(size, [&](Communicator& ranks) {
        GatheredRows exchange(ranks);
        const Tensor q = part_of(queries.detach(), ranks), k = part_of(keys.detach(), ranks);
        const Loss loss =
            info_nce(q, k, {.temperature = 0.5, .symmetric = symmetric, .exchange = &exchange});
        loss.sum.backward();
        const Tensor total = loss.sum.detach().clone().reshape({1});
        ranks.all_reduce(total);
        EXPECT_NEAR(total.item(), whole.sum.item(), 1e-10);
        expect_rows(q.gradient(), queries.gradient(), ranks);
        expect_rows(k.gradient(), keys.gradient(), ranks);
      });
    }
  }
}

}  // namespace
}  // namespace ripieno::distributed::testing
