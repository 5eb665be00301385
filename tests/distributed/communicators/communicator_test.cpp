// The communicators of one process: alone, and a thread for each rank.
#include <atomic>

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
  static int together(const Communicator&) { return 1; }
};

template <int size>
struct Threads {
  template <typename Body>
  static void on_every_rank(const Body& body) {
    testing::on_every_rank(size, body);
  }
  static int together(const Communicator&) { return size; }
};

using Groups = ::testing::Types<Alone, Threads<1>, Threads<2>, Threads<3>, Threads<5>>;
INSTANTIATE_TYPED_TEST_SUITE_P(OneProcess, CommunicatorConformance, Groups);

TEST(InProcess, RanksAndPlacesAreCounted) {
  const auto group = in_process(3);
  for (int rank = 0; rank < 3; ++rank) {
    const Communicator& ranks = *group[static_cast<std::size_t>(rank)];
    EXPECT_EQ(ranks.rank(), rank);
    EXPECT_EQ(ranks.size(), 3);
    EXPECT_EQ(ranks.local_rank(), rank);
    EXPECT_EQ(ranks.local_size(), 3);
  }
}

TEST(InProcess, AGroupNeedsARank) { EXPECT_THROW(in_process(0), Error); }

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

TEST(InProcess, ARankThatEndsEndsTheOthers) {
  on_every_rank(3, [](Communicator& ranks) {
    if (ranks.rank() == 1) return;
    EXPECT_THAT([&] { ranks.all_reduce(Tensor::zeros({5})); },
                ThrowsMessage<CommunicationFailure>(
                    AllOf(HasSubstr("all_reduce of 5 float32"), HasSubstr("rank 1 has left"))));
  });
}

TEST(InProcess, ARankThatEndsWhileOthersWaitEndsThem) {
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

TEST(InProcess, ARankThatDoesNotComeInTimeIsNamed) {
  std::atomic<bool> waiting = true;
  on_every_rank(2, [&](Communicator& ranks) {
    ranks.set_timeout(std::chrono::seconds(1));
    const auto group = ranks.duplicate()->split(0, ranks.rank());  // begins with it
    if (ranks.rank() == 1) {
      while (waiting) std::this_thread::yield();
      return;
    }
    EXPECT_THAT([&] { group->all_reduce(Tensor::zeros({5})); },
                ThrowsMessage<CommunicationFailure>(
                    AllOf(HasSubstr("all_reduce of 5 float32"), HasSubstr("1 s for rank 1,"))));
    waiting = false;
  });
}

TEST(InProcess, TheFirstFailureIsTheOneThatIsSeen) {
  const auto run = [] {
    on_every_rank(3, [](Communicator& ranks) {
      if (ranks.rank() == 2) throw DataError("this one");
      ranks.barrier();
    });
  };
  EXPECT_THAT(run, ThrowsMessage<DataError>(HasSubstr("this one")));
}

TEST(InProcess, EndingAfterTheLastCollectiveHarmsNobody) {
  for (int round = 0; round < 200; ++round) {
    EXPECT_NO_THROW(on_every_rank(3, [](Communicator& ranks) { ranks.barrier(); }));
  }
}

TEST(InProcess, DifferentCollectivesAreNoticedByEveryRank) {
  on_every_rank(3, [](Communicator& ranks) {
    const Tensor x = Tensor::zeros({ranks.rank() == 1 ? 6 : 5});
    EXPECT_THAT([&] { ranks.all_reduce(x); },
                ThrowsMessage<Error>(HasSubstr("rank 0 in all_reduce of 5 float32, rank 1 in "
                                               "all_reduce of 6 float32")));
  });
}

}  // namespace
}  // namespace ripieno::distributed::testing
