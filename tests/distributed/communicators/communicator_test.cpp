// The communicators within one process: alone(), and in_process() with a thread per rank.
#include <atomic>
#include <functional>
#include <utility>

#include "distributed/communicators/conformance.h"
#include "distributed/on_every_rank.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Alone {
  template <typename Body>
  static void on_every_rank(const Body& body) {
    body(*alone());
  }
  static int summed_first(const Communicator&) { return 1; }
};

template <int size>
struct Threads {
  template <typename Body>
  static void on_every_rank(const Body& body) {
    testing::on_every_rank(size, body);
  }
  static int summed_first(const Communicator&) { return size; }
};

using Groups = ::testing::Types<Alone, Threads<1>, Threads<2>, Threads<3>, Threads<5>>;
INSTANTIATE_TYPED_TEST_SUITE_P(OneProcess, CommunicatorConformance, Groups);

TEST(InProcess, RanksAndSizesAreCorrect) {
  const auto group = in_process(3);
  for (int rank = 0; rank < 3; ++rank) {
    const Communicator& ranks = *group[static_cast<std::size_t>(rank)];
    EXPECT_EQ(ranks.rank(), rank);
    EXPECT_EQ(ranks.size(), 3);
    EXPECT_EQ(ranks.local_rank(), rank);
    EXPECT_EQ(ranks.local_size(), 3);
  }
}

TEST(InProcess, AGroupRequiresAtLeastOneRank) { EXPECT_THROW(in_process(0), Error); }

TEST(InProcess, ABarrierWaitsForEveryRank) {
  std::atomic<int> arrived = 0;
  on_every_rank(4, [&](Communicator& ranks) {
    for (int round = 1; round <= 100; ++round) {
      ++arrived;
      ranks.barrier();
      EXPECT_GE(arrived.load(), 4 * round);
      ranks.barrier();
    }
  });
}

TEST(InProcess, ALostRankMakesTheOthersFail) {
  on_every_rank(3, [](Communicator& ranks) {
    if (ranks.rank() == 1) return;
    EXPECT_THAT([&] { ranks.all_reduce(Tensor::zeros({5})); },
                ThrowsMessage<CommunicationFailure>(
                    AllOf(HasSubstr("all_reduce of 5 float32"), HasSubstr("rank 1 has left"))));
  });
}

TEST(InProcess, ARankThatLeavesWhileOthersWaitMakesThemFail) {
  std::atomic<int> waiting = 0;
  on_every_rank(3, [&](Communicator& ranks) {
    if (ranks.rank() == 0) {
      while (waiting < 2) std::this_thread::yield();
      return;
    }
    ++waiting;
    EXPECT_THROW(ranks.barrier(), CommunicationFailure);
  });
}

TEST(InProcess, ATimeoutNamesTheMissingRank) {
  std::atomic<bool> waiting = true;
  on_every_rank(2, [&](Communicator& ranks) {
    ranks.set_timeout(std::chrono::seconds(1));
    const auto group = ranks.duplicate()->split(0, ranks.rank());  // inherits the timeout
    if (ranks.rank() == 1) {
      while (waiting) std::this_thread::yield();
      return;
    }
    EXPECT_THAT([&] { group->all_reduce(Tensor::zeros({5})); },
                ThrowsMessage<CommunicationFailure>(AllOf(HasSubstr("all_reduce of 5 float32"),
                                                          HasSubstr("1 s waiting for rank 1"))));
    waiting = false;
  });
}

TEST(InProcess, ATimeoutMayExceedTheRangeOfTheClock) {
  on_every_rank(2, [](Communicator& ranks) {
    for (const auto timeout : {std::chrono::seconds(10'000'000'000), std::chrono::seconds::max()}) {
      ranks.set_timeout(timeout);
      if (ranks.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      EXPECT_NO_THROW(ranks.barrier());
    }
  });
}

TEST(InProcess, SumsOverHundredsOfRanks) {
  constexpr int kRanks = 200;
  on_every_rank(kRanks, [](Communicator& ranks) {
    const Tensor x = Tensor::full({1001}, ranks.rank());
    ranks.all_reduce(x);
    EXPECT_EQ(x.to_vector<float>(), std::vector<float>(1001, kRanks * (kRanks - 1) / 2));
    Tensor all({kRanks, 3}, DType::float32);
    ranks.all_gather(all, Tensor::full({3}, ranks.rank()));
    EXPECT_EQ(all.to_vector<float>()[3 * 171], 171.0f);
  });
}

// After a program has caught a failure, every further collective of the group fails with its
// message.
TEST(InProcess, EveryCollectiveAfterAFailureFails) {
  on_every_rank(3, [](Communicator& ranks) {
    if (ranks.rank() == 1) return;
    const Tensor x = Tensor::zeros({6}), part = Tensor::zeros({2}), other = Tensor::zeros({6});
    EXPECT_THROW(ranks.all_reduce(x), CommunicationFailure);
    const std::vector<std::pair<std::string, std::function<void()>>> calls = {
        {"all_reduce of 6 float32", [&] { ranks.all_reduce(x); }},
        {"reduce_scatter of 2 float32", [&] { ranks.reduce_scatter(part, x); }},
        {"all_gather of 2 float32", [&] { ranks.all_gather(x, part); }},
        {"all_to_all of 2 float32", [&] { ranks.all_to_all(other, x); }},
        {"broadcast of 6 float32 from rank 0", [&] { ranks.broadcast(x, 0); }},
        {"barrier", [&] { ranks.barrier(); }},
        {"duplicate", [&] { ranks.duplicate(); }},
        {"split", [&] { ranks.split(0, 0); }}};
    for (const auto& [name, call] : calls) {
      EXPECT_THAT(
          call,
          ThrowsMessage<CommunicationFailure>(AllOf(
              HasSubstr(name + ": an earlier collective of this group failed: all_reduce of 6"),
              HasSubstr("rank 1 has left"))));
    }
  });
}

TEST(InProcess, ATimedOutGroupStaysFailedWhenThePeerArrives) {
  std::atomic<bool> timed_out = false;
  on_every_rank(2, [&](Communicator& ranks) {
    const auto other = ranks.duplicate();
    ranks.set_timeout(std::chrono::seconds(1));
    if (ranks.rank() == 1) {
      while (!timed_out) std::this_thread::yield();
    } else {
      EXPECT_THROW(ranks.barrier(), CommunicationFailure);
      timed_out = true;
    }
    EXPECT_THROW(ranks.barrier(), CommunicationFailure);
    EXPECT_NO_THROW(other->barrier());
  });
}

TEST(InProcess, TheOriginalFailureIsReported) {
  const auto run = [] {
    on_every_rank(3, [](Communicator& ranks) {
      if (ranks.rank() == 2) throw DataError("this one");
      ranks.barrier();
    });
  };
  EXPECT_THAT(run, ThrowsMessage<DataError>(HasSubstr("this one")));
}

TEST(InProcess, LeavingAfterTheLastCollectiveIsNotAFailure) {
  for (int round = 0; round < 200; ++round) {
    EXPECT_NO_THROW(on_every_rank(3, [](Communicator& ranks) { ranks.barrier(); }));
  }
}

TEST(InProcess, DifferentCollectivesAreDetectedByEveryRank) {
  on_every_rank(3, [](Communicator& ranks) {
    const Tensor x = Tensor::zeros({ranks.rank() == 1 ? 6 : 5});
    EXPECT_THAT(
        [&] { ranks.all_reduce(x); },
        ThrowsMessage<Error>(HasSubstr("rank 0 called all_reduce of 5 float32, rank 1 called "
                                       "all_reduce of 6 float32")));
  });
}

}  // namespace
}  // namespace ripieno::distributed::testing
