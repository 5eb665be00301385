// The communicators over MPI. Each process is one rank and runs every test (see ripieno_mpi_test).
#include "ripieno/distributed/communicators/mpi/mpi.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "distributed/communicators/conformance.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/distributed/communicators/mpi/message_plan.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/distributed/communicators/mpi/shared_segments.h"
#include "ripieno/distributed/communicators/mpi/shared_window.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

bool on_one_host() {
  const auto world = mpi_world();
  return world->local_size() == world->size();
}

template <std::unique_ptr<Communicator> (*join)(MPI_Comm)>
struct World {
  template <typename Body>
  static void on_every_rank(const Body& body) {
    if (join == mpi_window && !on_one_host()) GTEST_SKIP() << "a window requires one host";
    body(*join(MPI_COMM_WORLD));
  }
  static int summed_first(const Communicator& ranks) {
    const int of_host = ranks_per_host(MPI_COMM_WORLD);
    return join == mpi && of_host > 0 && ranks.size() > 1 ? of_host : ranks.size();
  }
};

// Treats one host as several hosts with two ranks each, if the number of ranks is even.
struct Hosts {
  static int ranks_per_host() {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size > 2 && size % 2 == 0 ? 2 : 1;  // 6 ranks: three hosts of two
  }
  template <typename Body>
  static void on_every_rank(const Body& body) {
    if (!on_one_host()) GTEST_SKIP() << "requires all ranks on one host";
    body(*mpi_hosts(MPI_COMM_WORLD, ranks_per_host()));
  }
  static int summed_first(const Communicator&) { return ranks_per_host(); }
};

// With messages as small as for 5000 ranks.
std::unique_ptr<Communicator> as_of_5000_ranks(MPI_Comm communicator) {
  return mpi_point_to_point_sized_for(communicator, 5000);
}

using Groups = ::testing::Types<World<mpi>, World<mpi_window>, World<mpi_point_to_point>, Hosts,
                                World<as_of_5000_ranks>>;
INSTANTIATE_TYPED_TEST_SUITE_P(OverMpi, CommunicatorConformance, Groups);

// A communicator that sums in rank order, on several hosts too.
std::unique_ptr<Communicator> in_rank_order() {
  return on_one_host() ? mpi_world() : mpi_point_to_point(MPI_COMM_WORLD);
}

std::unique_ptr<Communicator> as_hosts_of_one(MPI_Comm communicator) {
  return mpi_hosts(communicator, 1);
}

// The result of an all_reduce, for comparison of communicators.
std::vector<float> reduced(Communicator& ranks) {
  const Tensor x = Tensor::of({100003}, numbers<float>(ranks.rank(), 100003));
  ranks.all_reduce(x);
  return x.to_vector<float>();
}

TEST(Mpi, MatchesTheInProcessCommunicatorBitwise) {
  const auto world = in_rank_order();
  std::vector<float> in_threads;
  on_every_rank(world->size(), [&](Communicator& ranks) {
    auto result = reduced(ranks);
    if (ranks.rank() == 0) in_threads = std::move(result);
  });
  EXPECT_EQ(reduced(*world), in_threads);
}

TEST(Mpi, TrainingMatchesTheInProcessCommunicatorBitwise) {
  const auto world = in_rank_order();
  TrainingJob::Result in_threads;
  on_every_rank(world->size(), [&](Communicator& ranks) {
    auto result = TrainingJob().train(ranks);
    if (ranks.rank() == 0) in_threads = std::move(result);
  });
  const auto result = TrainingJob().train(*world);
  EXPECT_EQ(result.parameters, in_threads.parameters);
  EXPECT_EQ(result.losses, in_threads.losses);
}

TEST(Mpi, MessagesMatchTheWindowBitwise) {
  if (!on_one_host()) GTEST_SKIP() << "a window requires one host";
  const auto window = mpi_window(MPI_COMM_WORLD), messages = mpi_point_to_point(MPI_COMM_WORLD);
  EXPECT_EQ(reduced(*window), reduced(*messages));
  EXPECT_EQ(reduced(*window), reduced(*as_of_5000_ranks(MPI_COMM_WORLD)));
}

TEST(Mpi, MessagesOfAnyNumberOfRanksFitTheScratchMemory) {
  static_assert(plan_messages(2).message_bytes == kMessageBytes);
  static_assert(plan_messages(170).message_bytes == kMessageBytes);
  static_assert(plan_messages(171).message_bytes < kMessageBytes);
  for (std::size_t ranks = 2; ranks < 1'000'000; ranks += 1 + ranks / 7) {
    const MessagePlan plan = plan_messages(ranks);
    EXPECT_GE(plan.message_bytes, 64u);
    EXPECT_EQ(plan.message_bytes % 64, 0u);
    EXPECT_GE(plan.depth, kLeastDepth);
    if (ranks <= 131'072) {
      EXPECT_LE(plan.message_bytes * plan.depth * ranks, kScratchBytes);
    }
  }
}

TEST(Mpi, LocalRanksAreCorrectOnOneHost) {
  if (!on_one_host()) GTEST_SKIP() << "requires all ranks on one host";
  const auto world = mpi_world();
  EXPECT_EQ(world->local_rank(), world->rank());
  EXPECT_EQ(ranks_per_host(MPI_COMM_WORLD), world->size());
  EXPECT_THROW(mpi_hosts(MPI_COMM_WORLD, world->size() + 1), Error);
}

TEST(Mpi, LaunchByMpiIsDetected) { EXPECT_TRUE(launched_by_mpi()); }

TEST(Mpi, ACallersCommunicatorIsUsedAndNotFreed) {
  const auto world = mpi_world();
  const bool odd = world->rank() % 2 == 1;
  MPI_Comm half = MPI_COMM_NULL;  // the even or the odd ranks, in reverse order
  MPI_Comm_split(MPI_COMM_WORLD, odd, world->size() - world->rank(), &half);
  {
    const auto ranks = mpi(half);
    const int last = (world->size() - 1 - odd) / 2 * 2 + odd;
    EXPECT_EQ(ranks->rank(), (last - world->rank()) / 2);
    const Tensor x = Tensor::full({3}, world->rank());
    ranks->broadcast(x, 0);
    EXPECT_EQ(x.to_vector<float>(), std::vector<float>(3, static_cast<float>(last)));
  }
  EXPECT_EQ(MPI_Comm_free(&half), MPI_SUCCESS);
}

TEST(Mpi, ABarrierWaitsForEveryRank) {
  if (!on_one_host()) GTEST_SKIP() << "requires shared memory of one host";
  const auto world = mpi_world();
  for (const auto join : {mpi_window, mpi_point_to_point, as_hosts_of_one}) {
    const auto ranks = join(MPI_COMM_WORLD);
    const SharedWindow window(MPI_COMM_WORLD, sizeof(std::atomic<int>));
    auto& arrived = *reinterpret_cast<std::atomic<int>*>(window.of(0));
    for (int round = 1; round <= 100; ++round) {
      ++arrived;
      ranks->barrier();
      EXPECT_GE(arrived.load(), world->size() * round);
      ranks->barrier();
    }
  }
}

TEST(Mpi, DifferentCollectivesAreDetectedByEveryRankOfAHost) {
  if (!on_one_host()) GTEST_SKIP() << "a window requires one host";
  const auto ranks = mpi_window(MPI_COMM_WORLD);
  const Tensor x = Tensor::zeros({ranks->rank() == 1 ? 6 : 5});
  EXPECT_THAT([&] { ranks->all_reduce(x); },
              ThrowsMessage<Error>(HasSubstr("rank 0 called all_reduce of 5 float32, rank 1 called "
                                             "all_reduce of 6 float32")));
}

TEST(Mpi, ATimeoutNamesTheMissingRank) {
  for (const auto join : {mpi_window, mpi_point_to_point}) {
    if (join == mpi_window && !on_one_host()) continue;
    const auto ranks = join(MPI_COMM_WORLD);
    const auto other = ranks->duplicate();
    ranks->set_timeout(std::chrono::seconds(1));
    const auto group = ranks->duplicate();  // inherits the timeout
    const std::string last =
        "timed out after 1 s waiting for rank " + std::to_string(ranks->size() - 1);
    if (ranks->rank() < ranks->size() - 1) {
      EXPECT_THAT([&] { group->all_reduce(Tensor::zeros({5})); },
                  ThrowsMessage<CommunicationFailure>(
                      AllOf(HasSubstr("all_reduce of 5 float32"), HasSubstr(last))));
    }
    other->barrier();
  }
}

constexpr auto kDefaultTimeout = Communicator::kDefaultTimeout;

TEST(Mpi, ATimeoutMayExceedTheRangeOfTheClock) {
  for (const auto join : {mpi_window, mpi_point_to_point}) {
    if (join == mpi_window && !on_one_host()) continue;
    const auto ranks = join(MPI_COMM_WORLD);
    ranks->set_timeout(std::chrono::seconds::max());
    if (ranks->rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_NO_THROW(ranks->all_reduce(Tensor::zeros({5})));
  }
}

TEST(Mpi, ALateMessageIsNotWrittenToTheTensorAfterAFailure) {
  const auto ranks = mpi_point_to_point(MPI_COMM_WORLD), after = ranks->duplicate();
  ranks->set_timeout(std::chrono::seconds(1));
  const int root = ranks->size() - 1;
  Tensor x = Tensor::full({5000}, 1.0);
  if (ranks->rank() != root) {
    EXPECT_THROW(ranks->broadcast(x, root), CommunicationFailure);
    x.fill(2.0);
  }
  after->barrier();
  if (ranks->rank() == root) {
    try {
      ranks->broadcast(x, root);
    } catch (const CommunicationFailure&) {  // the other ranks do not take part
    }
    x.fill(2.0);
  }
  after->barrier();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto late = std::make_unique<Tensor>(Tensor::zeros({1}));
  after->all_reduce(*late);  // MPI makes progress
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>(5000, 2.0f));
}

TEST(Mpi, AFileOfAnotherProcessIsVerifiedByDeviceAndInode) {
  const int one = memfd_create("one", 0), other = memfd_create("other", 0);
  FileOrigin origin = FileOrigin::of(one);
  const int opened = origin.open();
  EXPECT_GE(opened, 0);
  origin.descriptor = other;  // as if the process id belonged to another process
  EXPECT_EQ(origin.open(), -1);
  EXPECT_EQ(FileOrigin().open(), -1);
  for (const int file : {one, other, opened}) close(file);
}

TEST(Mpi, DifferentCollectivesAreDetectedByMessages) {
  for (const bool other_kind : {false, true}) {
    const auto ranks = mpi_point_to_point(MPI_COMM_WORLD), after = ranks->duplicate();
    const auto call = [&] {
      if (ranks->rank() != 1) return ranks->all_reduce(Tensor::zeros({300}));
      other_kind ? ranks->barrier() : ranks->all_reduce(Tensor::zeros({301}));
    };
    const std::string named = other_kind && ranks->rank() != 1
                                  ? "rank 1 called barrier with other arguments"
                                  : "called all_reduce with other arguments";
    // Not all other ranks receive a message of a rank in a barrier.
    ranks->set_timeout(std::chrono::seconds(1));
    const auto expected =
        AnyOf(HasSubstr(named), HasSubstr(other_kind ? "timed out after 1 s" : named));
    EXPECT_THAT(call, ThrowsMessage<CommunicationFailure>(expected));
    after->barrier();
  }
}

// Rank 0 sends 10 bytes to rank 1, which expects `bytes`.
void send_to_one_that_expects(std::size_t bytes) {
  const auto ranks = mpi_point_to_point(MPI_COMM_WORLD);
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
  std::byte data[64] = {};
  Messages messages(copy, 1);
  if (ranks->rank() == 0) {
    messages.send(data, 10, 1, 7);
    messages.wait(kDefaultTimeout);
  } else if (ranks->rank() == 1) {
    messages.receive(data, bytes, 0, 7);
    EXPECT_THROW(messages.wait(kDefaultTimeout), CommunicationFailure);
  }
  MPI_Comm_free(&copy);
}

TEST(Mpi, AnMpiErrorIsACommunicationFailure) { send_to_one_that_expects(5); }

TEST(Mpi, AMessageOfUnexpectedLengthIsACommunicationFailure) { send_to_one_that_expects(20); }

// Prints failures only, for ranks other than 0.
class FailuresOnly final : public ::testing::EmptyTestEventListener {
 public:
  explicit FailuresOnly(int rank) : rank_(rank) {}

 private:
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d: %s:%d: %s\n", rank_, result.file_name(), result.line_number(),
                 result.message());
  }
  int rank_;
};

}  // namespace
}  // namespace ripieno::distributed::testing

int main(int argc, char** argv) {
  const ripieno::distributed::MpiEnvironment mpi;
  ::testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank > 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new ripieno::distributed::testing::FailuresOnly(rank));
  }
  return RUN_ALL_TESTS();
}
