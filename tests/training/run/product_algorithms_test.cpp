#include "ripieno/training/run/product_algorithms.h"

#include <gmock/gmock.h>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/kernels/cuda/products/algorithm_choices.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/numerics.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using kernels::cuda::AlgorithmChoice;
using kernels::cuda::AlgorithmChoices;
using kernels::cuda::ChoiceName;

const std::string kDevice = "a device";

AlgorithmChoice numbered(uint64_t number) {
  return {.algorithm = {{number}}, .seconds = 1e-6 * static_cast<double>(number)};
}

// The text of choices, by product.
std::string text_of(const std::map<std::string, uint64_t>& algorithms) {
  std::map<ChoiceName, AlgorithmChoice> choices;
  for (const auto& [product, number] : algorithms) choices[{kDevice, product}] = numbered(number);
  return to_text(choices);
}

// The choices of each rank after sharing; each rank has separate ones, as processes do.
std::vector<std::string> shared(const std::vector<std::map<std::string, uint64_t>>& of_ranks) {
  auto group = distributed::in_process(static_cast<int>(of_ranks.size()));
  std::vector<std::string> texts(of_ranks.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
      threads.emplace_back([&, rank] {
        AlgorithmChoices choices;
        choices.take(text_of(of_ranks[rank]));
        share_product_algorithms(*group[rank],
                                 {.text = [&] { return choices.text(); },
                                  .take = [&](std::string_view text) { choices.take(text); }});
        texts[rank] = choices.text();
      });
    }
  }
  return texts;
}

TEST(ProductAlgorithms, AreThoseOfTheFirstRankThatHasOneForAProduct) {
  const auto texts = shared({{{"p", 1}, {"q", 2}}, {{"p", 3}, {"r", 4}}, {{"r", 5}, {"s", 6}}});
  const auto expected = text_of({{"p", 1}, {"q", 2}, {"r", 4}, {"s", 6}});
  EXPECT_THAT(texts, testing::Each(expected));
}

TEST(ProductAlgorithms, AreThoseOfOtherRanksIfARankHasNone) {
  EXPECT_THAT(shared({{}, {{"p", 3}}}), testing::Each(text_of({{"p", 3}})));
  EXPECT_THAT(shared({{{"p", 3}}, {}}), testing::Each(text_of({{"p", 3}})));
  EXPECT_THAT(shared({{}, {}}), testing::Each(""));
}

class ProductAlgorithmsOfARun : public testing::Test {
 protected:
  ~ProductAlgorithmsOfARun() override { kernels::set_numerics({}); }
  static void allow_only_guesses() {
    kernels::set_numerics({.algorithms = kernels::ProductAlgorithms::guessed});
  }
  // Continues the run to `step`. Returns the choices in its checkpoint.
  nlohmann::json train_to(int64_t step) {
    run_.options.steps = step;
    run_.train_on(2);
    const auto path = run_.directory + "/checkpoints/step_0000000" + std::to_string(step);
    return io::Checkpoint::open(io::local_files(), path)
        .training_state()
        .value("matmul_algorithms", nlohmann::json());
  }

  TemporaryDirectory directory_;
  TinyRun run_{.directory = directory_ / "run"};
};

// One test, because the process keeps the choices.
TEST_F(ProductAlgorithmsOfARun, AreSavedAndRestoredUnlessOnlyGuessesAreAllowed) {
  EXPECT_EQ(train_to(1).is_null(), kernels::matmul_algorithms().empty()) << "no choices on the CPU";
  const auto first = text_of({{"p", 1}}), other = text_of({{"p", 2}});
  kernels::use_matmul_algorithms(first);
  EXPECT_EQ(train_to(2), first);
  kernels::use_matmul_algorithms(other);
  EXPECT_EQ(train_to(3), first) << "those of the checkpoint take precedence";
  EXPECT_EQ(kernels::matmul_algorithms(), first);
  kernels::use_matmul_algorithms(other);
  allow_only_guesses();
  EXPECT_TRUE(train_to(4).is_null());
  EXPECT_EQ(kernels::matmul_algorithms(), other);
}

TEST(ProductAlgorithms, ThatAreNotAStringAreDamage) {
  EXPECT_THROW(restore_product_algorithms({{"matmul_algorithms", 3}}), DataError);
}

}  // namespace
}  // namespace ripieno
