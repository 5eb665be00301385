#include "ripieno/training/watch/rank_times.h"

#include <gtest/gtest.h>

#include <functional>

namespace ripieno::watch {
namespace {

using Seconds = RankTimes::Seconds;

// Rank 0's view after so many exchanges among `size` ranks.
class Ranks {
 public:
  explicit Ranks(int size) {
    for (int rank = 0; rank < size; ++rank) ranks_.emplace_back(rank, size);
  }
  void exchange(int times, const std::function<Seconds(int rank)>& seconds_of) {
    for (int i = 0; i < times; ++i) {
      std::vector<int64_t> sums;
      for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
        ranks_[rank].add(seconds_of(static_cast<int>(rank)));
        const auto mine = ranks_[rank].offer();
        sums.resize(mine.size());
        for (std::size_t k = 0; k < mine.size(); ++k) sums[k] += mine[k];
      }
      for (auto& rank : ranks_) {
        const auto mine = rank.offer_again();
        std::copy(sums.begin(), sums.end(), mine.begin());
        rank.take();
      }
    }
  }
  void wait_for_processor(std::size_t rank, double seconds) {
    ranks_[rank].add_processor_wait(seconds);
  }
  std::optional<RankTimes::Communication> communication() const {
    return ranks_[0].communication();
  }
  std::optional<RankTimes::Slowest> slowest(std::size_t rank = 0) const {
    return ranks_[rank].slowest();
  }

 private:
  // The span of the last offer(), which take() reads.
  struct OneRank : RankTimes {
    using RankTimes::RankTimes;
    std::span<int64_t> offer() { return last_ = RankTimes::offer(); }
    std::span<int64_t> offer_again() { return last_; }
    std::span<int64_t> last_;
  };
  std::vector<OneRank> ranks_;
};

Seconds even(int) { return {0.01, 0.1, 0.02, 0.01, 0}; }

TEST(RankTimes, OfOneRankAreNotExchanged) {
  RankTimes times(0, 1);
  times.add(even(0));
  EXPECT_TRUE(times.offer().empty());
  times.take();
  EXPECT_FALSE(times.slowest());
}

TEST(RankTimes, NameTheRankWhoseDataTakesLonger) {
  Ranks ranks(4);
  ranks.exchange(48, [](int rank) {
    return rank == 3 ? Seconds{0.2, 0.1, 0.001, 0.01, 0} : Seconds{0.01, 0.1, 0.19, 0.01, 0};
  });
  const auto found = ranks.slowest();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 3);
  EXPECT_EQ(found->phase, RankTimes::data);
  EXPECT_TRUE(found->is_straggler());
  EXPECT_NEAR(found->score, 0.31 / 0.12, 1e-6);
  EXPECT_NEAR(found->seconds[RankTimes::data], 0.2, 1e-6);
  EXPECT_NEAR(found->median[RankTimes::communication_exposed], 0.19, 1e-6);
}

TEST(RankTimes, OfTwoRanksCompareTheSlowerOneWithTheFasterOne) {
  Ranks ranks(2);
  ranks.exchange(16, [](int rank) { return Seconds{0, rank == 0 ? 0.2 : 0.1, 0, 0, 0}; });
  EXPECT_EQ(ranks.slowest(1)->rank, 0);
  EXPECT_EQ(ranks.slowest(1)->phase, RankTimes::compute);
  EXPECT_NEAR(ranks.slowest(1)->score, 2, 1e-6);
}

TEST(RankTimes, HaveNoStragglerIfRanksAreEven) {
  Ranks ranks(4);
  ranks.exchange(20, even);
  EXPECT_FALSE(ranks.slowest()->is_straggler());
}

TEST(RankTimes, HaveNoStragglerIfItCostsLittle) {
  Ranks ranks(2);
  ranks.exchange(20, [](int rank) { return Seconds{rank * 0.01, 0.01, 1, 0, 0}; });
  EXPECT_GT(ranks.slowest()->score, 1.5);
  EXPECT_FALSE(ranks.slowest()->is_straggler());
}

TEST(RankTimes, IgnoreASingleLongStep) {
  Ranks ranks(2);
  int step = 0;
  ranks.exchange(32, [&](int rank) {
    return rank == 1 && ++step == 20 ? Seconds{0, 50, 0, 0, 0} : even(rank);
  });
  EXPECT_FALSE(ranks.slowest()->is_straggler());
}

// As others that use its core do: most steps have their usual time.
TEST(RankTimes, NameARankThatIsInterruptedInFewSteps) {
  Ranks ranks(2);
  int step = 0;
  ranks.exchange(32, [&](int rank) {
    return rank == 1 && ++step % 4 == 0 ? Seconds{0.01, 0.5, 0.02, 0.01, 0} : even(rank);
  });
  ASSERT_TRUE(ranks.slowest());
  EXPECT_EQ(ranks.slowest()->rank, 1);
  EXPECT_TRUE(ranks.slowest()->is_straggler());
}

TEST(RankTimes, SayHowLongTheSlowestRankHadNoProcessor) {
  Ranks ranks(2);
  ranks.wait_for_processor(1, 0.8);
  ranks.exchange(16, [](int rank) { return Seconds{0, rank == 0 ? 0.05 : 0.1, 0, 0, 0}; });
  EXPECT_EQ(ranks.slowest()->rank, 1);
  EXPECT_NEAR(ranks.slowest()->processor_wait, 0.5, 1e-6);
}

TEST(RankTimes, SayThatStepsAreMostlyCommunication) {
  Ranks ranks(3);
  ranks.exchange(16, [](int rank) { return Seconds{0, 0.1, rank == 0 ? 0.08 : 0.3, 0, 0}; });
  ASSERT_TRUE(ranks.communication());
  EXPECT_NEAR(ranks.communication()->share, 0.75, 1e-6);
  EXPECT_NEAR(ranks.communication()->least_share, 0.08 / 0.18, 1e-6);
  EXPECT_NEAR(ranks.communication()->step, 0.4, 1e-6);
  EXPECT_TRUE(ranks.communication()->is_slow());
}

TEST(RankTimes, DoNotTakeWaitingForASlowRankForASlowNetwork) {
  Ranks ranks(3);
  ranks.exchange(16, [](int rank) {
    return rank == 0 ? Seconds{0, 0.4, 0.01, 0, 0} : Seconds{0, 0.1, 0.31, 0, 0};
  });
  EXPECT_FALSE(ranks.communication()->is_slow());
}

TEST(RankTimes, AreUnknownInTheFirstSteps) {
  Ranks ranks(2);
  ranks.exchange(15, even);
  EXPECT_FALSE(ranks.slowest());
  EXPECT_FALSE(ranks.communication());
  ranks.exchange(1, even);
  EXPECT_TRUE(ranks.slowest());
}

TEST(RankTimes, OfAThousandRanksNameOneWithin50Steps) {
  Ranks ranks(1000);
  ranks.exchange(48, [](int rank) { return rank == 777 ? Seconds{0, 0.3, 0, 0, 0} : even(rank); });
  const auto found = ranks.slowest();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 777);
  EXPECT_TRUE(found->is_straggler());
}

TEST(RankTimes, OfManyRanksTravelInTurns) {
  RankTimes few(0, 16), many(0, 1000);
  EXPECT_EQ(few.offer().size(), 16u * (RankTimes::phases + 1));
  EXPECT_EQ(many.offer().size(), 63u * (RankTimes::phases + 1));
}

}  // namespace
}  // namespace ripieno::watch
