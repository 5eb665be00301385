#include "ripieno/training/session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/stop_signal.h"

namespace ripieno {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Runs `rank_main` on each rank of a group of `size` threads.
void on_every_rank(int size, const std::function<void(Session&)>& rank_main) {
  auto group = distributed::in_process(size);
  std::vector<std::jthread> ranks;
  for (auto& communicator : group) {
    ranks.emplace_back([&] {
      Session session(std::move(communicator));
      rank_main(session);
    });
  }
}

// The message of what together() throws on this rank; empty if it returns.
std::string thrown_by(Session& session, const std::function<void()>& action) {
  try {
    session.together(action);
  } catch (const RankFailure& failure) {
    return failure.is_silent() ? "silent" : failure.what();
  } catch (const Error& error) {
    return std::string("own: ") + error.what();
  }
  return "";
}

TEST(Session, RefusesAStepOfAProgramThatNeverConnectsItsRanks) {
  on_every_rank(2, [](Session&) {
    nn::Linear model(3, 2);
    optim::Sgd optimizer(model.parameters());
    const auto step = [&] { optimizer.step(Loss::over(sum(model(Tensor::full({4, 3}, 1.0))), 4)); };
    for (int tries = 0; tries < 2; ++tries) {
      try {
        step();
        ADD_FAILURE() << "must throw";
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("each would train a model of its own"));
      }
    }
    EXPECT_EQ(optimizer.steps_taken(), 0);
  });
}

TEST(Session, AllowsStepsOfAProgramThatMayConnectItsRanks) {
  on_every_rank(2, [](Session& session) {
    nn::Linear model(3, 2);
    optim::Sgd optimizer(model.parameters());
    session.communicator().all_reduce(model.parameters().gradients().flat());
    EXPECT_NO_THROW(optimizer.step(Loss::over(sum(model(Tensor::full({4, 3}, 1.0))), 4)));
  });
}

TEST(Session, AloneIsTheOnlyRank) {
  char name[] = "program";
  char* words[] = {name};
  Session session(1, words);
  EXPECT_EQ(session.rank(), 0);
  EXPECT_EQ(session.size(), 1);
  EXPECT_THAT(session.command(), ElementsAre("program"));
  EXPECT_EQ(session.hosts().size(), 1u);
  EXPECT_FALSE(session.stops_now());
}

TEST(Session, UsesOmpNumThreadsUntilThreadsAreSet) {
  setenv("OMP_NUM_THREADS", "1", 1);
  char name[] = "program";
  char* words[] = {name};
  Session session(1, words);
  unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(kernels::cpu_threads(), 1);
  EXPECT_EQ(session.threads_source(), "OMP_NUM_THREADS");
  session.set_threads(3);
  EXPECT_EQ(kernels::cpu_threads(), 3);
  EXPECT_EQ(session.threads_source(), "train.threads");
  EXPECT_EQ(session.devices().size(), 1u);
  EXPECT_TRUE(session.device().is_cuda() || session.devices()[0] == "cpu, 3 threads");
  kernels::set_cpu_threads(1);
}

TEST(Session, StopsAfterASignal) {
  char name[] = "program";
  char* words[] = {name};
  Session session(1, words);
  std::raise(SIGUSR1);
  EXPECT_TRUE(session.stops_now());
}

TEST(Session, TogetherReturnsIfTheActionSucceedsOnAllRanks) {
  on_every_rank(3, [](Session& session) { EXPECT_EQ(thrown_by(session, [] {}), ""); });
}

TEST(Session, TogetherThrowsOnAllRanksIfOneFailsAndOnlyThatOneHasTheMessage) {
  on_every_rank(3, [](Session& session) {
    const auto action = [&] {
      if (session.rank() == 1) throw DataError("broken");
    };
    const std::string message = thrown_by(session, action);
    if (session.rank() == 1) {
      EXPECT_THAT(message, HasSubstr("rank 1"));
      EXPECT_THAT(message, HasSubstr("broken"));
    } else {
      EXPECT_EQ(message, "silent");
    }
  });
}

TEST(Session, TogetherGivesRankZeroTheMessageIfAllRanksFail) {
  on_every_rank(3, [](Session& session) {
    const std::string message = thrown_by(session, [] { throw DataError("broken"); });
    EXPECT_EQ(message, session.rank() == 0 ? "own: broken" : "silent");
  });
}

TEST(Session, TogetherThrowsTheStatusOfTheFailedRankOnAllRanks) {
  on_every_rank(2, [](Session& session) {
    try {
      session.together([&] {
        if (session.rank() == 1) throw StorageError("full");
      });
      ADD_FAILURE();
    } catch (const RankFailure& failure) {
      EXPECT_EQ(failure.status(), ExitStatus::storage);
    }
  });
}

TEST(Session, StopsOnAllRanksIfOneIsRequestedToStop) {
  on_every_rank(3, [](Session& session) {
    EXPECT_FALSE(session.stops_now());
    if (session.rank() == 2) session.ask_to_stop();
    EXPECT_TRUE(session.stops_now());
  });
}

TEST(Session, SumsNumbersWithTheVotesOfTheRanks) {
  on_every_rank(3, [](Session& session) {
    for (const std::size_t count : {2, 0, 5, 1}) {
      std::vector<int64_t> sums(count, session.rank() + 1);
      const auto agreed = session.agree(session.rank() == 0 ? 7 : 0, session.rank() == 1, sums);
      EXPECT_EQ(agreed.decision, 7);
      EXPECT_EQ(agreed.failures, 1);
      EXPECT_EQ(sums, std::vector<int64_t>(count, 6));
    }
  });
}

TEST(Session, RejectsTheSameRowsOnAllRanks) {
  on_every_rank(2, [](Session& session) {
    io::Batch whole{Tensor::zeros({4, 1}), Tensor::zeros({4, 1}), 0, 4};
    try {
      session.require_whole_batch(whole);
      ADD_FAILURE();
    } catch (const Error& error) {
      if (session.rank() == 0) {
        EXPECT_THAT(error.what(), HasSubstr("pass the session to the loader"));
      }
    }
  });
}

TEST(Session, AcceptsABatchThatIsDividedAmongTheRanks) {
  on_every_rank(3, [](Session& session) {
    const int64_t rows = session.rank() == 2 ? 0 : 2;
    const int64_t first = session.rank() * 2;
    session.require_whole_batch({Tensor::zeros({rows, 1}), Tensor::zeros({rows, 1}), first, 4});
  });
}

TEST(Session, RejectsCudaWithoutAGpu) {
  Session session(distributed::alone());
  if (session.device().is_cuda()) GTEST_SKIP() << "there is a GPU";
  try {
    session.use_device("cuda");
    GTEST_SKIP() << "there is a GPU";
  } catch (const ConfigurationError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--device cuda"));
  }
}

TEST(Exchange, GathersTextsOfAnyLengthInRankOrder) {
  on_every_rank(3, [](Session& session) {
    const std::string text(static_cast<std::size_t>(session.rank()) * 9, 'x');
    EXPECT_THAT(gather(session.communicator(), text),
                ElementsAre("", std::string(9, 'x'), std::string(18, 'x')));
    EXPECT_EQ(from_rank_0(session.communicator(), "of " + std::to_string(session.rank())), "of 0");
  });
}

TEST(StopSignal, RecordsAnInterruptOfAProgramThatRunsAlone) {
  const StopSignal signal(/*alone=*/true);
  EXPECT_FALSE(StopSignal::arrived());
  std::raise(SIGINT);
  EXPECT_TRUE(StopSignal::arrived());
}

TEST(StopSignal, EndsTheProcessAtAnInterruptASecondAfterTheFirst) {
  EXPECT_EXIT(
      {
        const StopSignal signal(/*alone=*/true);
        std::raise(SIGINT);
        std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignal, TreatsTwoSimultaneousSignalsAsOne) {
  EXPECT_EXIT(
      {
        const StopSignal signal(/*alone=*/true);
        std::raise(SIGTERM);
        std::raise(SIGTERM);
        std::_Exit(StopSignal::arrived() ? 75 : 0);
      },
      testing::ExitedWithCode(75), "");
}

TEST(StopSignal, RecordsAllSignalsOfSchedulersLimitsAndShells) {
  for (const int sent :
       {SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGPWR, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    const StopSignal signal(/*alone=*/true);
    EXPECT_FALSE(StopSignal::arrived());
    std::raise(sent);
    EXPECT_TRUE(StopSignal::arrived()) << sent;
  }
}

TEST(StopSignal, IgnoresAHangUpThatWasIgnoredBefore) {
  std::signal(SIGHUP, SIG_IGN);  // as nohup does
  {
    const StopSignal signal(/*alone=*/true);
    std::raise(SIGHUP);
    EXPECT_FALSE(StopSignal::arrived());
  }
  std::signal(SIGHUP, SIG_DFL);
}

TEST(StopSignal, IgnoresSignalsOfFailedWrites) {
  const StopSignal signal(/*alone=*/false);
  std::raise(SIGPIPE);
  std::raise(SIGXFSZ);
  EXPECT_FALSE(StopSignal::arrived());
}

TEST(StopSignal, DoesNotHandleInterruptsUnderMpirun) {
  EXPECT_EXIT(
      {
        const StopSignal signal(/*alone=*/false);
        std::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignal, RestoresThePreviousHandler) {
  EXPECT_EXIT(
      {
        { const StopSignal signal(/*alone=*/false); }
        std::raise(SIGUSR1);
      },
      testing::KilledBySignal(SIGUSR1), "");
}

}  // namespace
}  // namespace ripieno
