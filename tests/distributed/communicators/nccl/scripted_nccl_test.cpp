// The communicator over NCCL with a scripted library and up to four emulated GPUs, one for each
// rank, whose streams run work as late as possible: a missing wait gives wrong numbers.
#include "distributed/communicators/nccl/scripted/scripted_nccl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "distributed/communicators/conformance.h"
#include "distributed/on_every_rank.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/device/device_graph.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const int kFourGpus = setenv("RIPIENO_EMULATED_GPUS", "4", 1);

constexpr int64_t kElements = 1001;

class ScriptedNccl : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    set_script({});
  }
  void TearDown() override { set_script({}); }

  // Calls body(communicator, device) on every rank.
  template <typename Body>
  static void on_every_gpu(int size, const Body& body) {
    on_every_rank(size, [&](Communicator& group) {
      const Device device = Device::cuda(group.rank());
      kernels::cuda::set_device(device.index);
      body(*over_nccl(group.duplicate(), device), device);
    });
  }
  static Tensor ones(Device device) {
    return Tensor::full({kElements}, 1.0, DType::float32, device);
  }
};

TEST_F(ScriptedNccl, ACollectiveReturnsBeforeItHasRun) {
  set_script({.hangs = true});
  on_every_gpu(2, [](Communicator& ranks, Device device) {
    const int64_t before = collectives_run();
    const Tensor x = ones(device);
    ranks.all_reduce(x);
    ranks.barrier();  // both have returned
    EXPECT_EQ(collectives_run(), before);
    ranks.barrier();  // before either lets them run
    set_script({});
    EXPECT_THAT(x.to_vector<float>(), Each(2.0f));
    ranks.barrier();
  });
}

TEST_F(ScriptedNccl, RunsAfterEarlierWorkAndBeforeLaterWorkOfTheStream) {
  on_every_gpu(3, [](Communicator& ranks, Device device) {
    Tensor x = ones(device);
    for (int i = 0; i < 3; ++i) {
      ranks.all_reduce(x);
      Tensor y = x.clone();
      x.fill(static_cast<double>(i + 2));
      EXPECT_THAT(y.to_vector<float>(), Each(3.0f * static_cast<float>(i + 1)));
    }
  });
}

TEST_F(ScriptedNccl, WaitsOnTheHostUntilNcclHasEnqueuedTheCollective) {
  set_script({.in_progress = 3});
  on_every_gpu(2, [](Communicator& ranks, Device device) {
    for (int i = 0; i < 3; ++i) {
      const Tensor x = ones(device);
      ranks.all_reduce(x);
      EXPECT_THAT(x.to_vector<float>(), Each(2.0f));
    }
  });
}

TEST_F(ScriptedNccl, CollectivesOfTwoGroupsRunInTheOrderOfTheCalls) {
  on_every_gpu(4, [](Communicator& ranks, Device device) {
    const auto other = ranks.duplicate();
    const Tensor x = ones(device);
    for (int i = 0; i < 3; ++i) {
      ranks.all_reduce(x);
      other->all_reduce(x);
    }
    EXPECT_THAT(x.to_vector<float>(), Each(4096.0f));
  });
}

TEST_F(ScriptedNccl, AnyNumberOfCollectivesMayBeEnqueued) {
  on_every_gpu(2, [](Communicator& ranks, Device device) {
    const Tensor x = ones(device);
    for (int i = 0; i < 200; ++i) ranks.broadcast(x, i % 2);
    const Tensor y = ones(device);
    ranks.all_reduce(y);
    EXPECT_THAT(y.to_vector<float>(), Each(2.0f));
  });
}

TEST_F(ScriptedNccl, AFailedInitializationIsThrownAndTheGroupStaysFailed) {
  set_script({.error = ncclRemoteError});
  on_every_gpu(2, [](Communicator& ranks, Device device) {
    const Tensor x = ones(device);
    EXPECT_THAT([&] { ranks.all_reduce(x); },
                ThrowsMessage<CommunicationFailure>(
                    AllOf(HasSubstr("all_reduce of 1001 float32 over NCCL on rank "),
                          HasSubstr("ncclCommInitRankConfig: remote process exited or there was a "
                                    "network error; as scripted"))));
    EXPECT_THAT([&] { ranks.broadcast(x, 0); },
                ThrowsMessage<CommunicationFailure>(
                    HasSubstr("from rank 0 over NCCL: an earlier collective of this "
                              "group failed: all_reduce")));
    ranks.barrier();
  });
}

TEST_F(ScriptedNccl, ARankThatDoesNotJoinCausesATimeout) {
  on_every_gpu(2, [](Communicator& ranks, Device device) {
    if (ranks.rank() == 1) {
      const Tensor id({128}, DType::uint8);
      ranks.broadcast(id, 0);  // takes part in what precedes ncclCommInitRankConfig, on the host
    } else {
      ranks.set_timeout(std::chrono::seconds(1));
      EXPECT_THAT([&] { ranks.all_reduce(ones(device)); },
                  ThrowsMessage<CommunicationFailure>(HasSubstr(
                      "on rank 0 of 2: timed out after 1 s waiting for the other ranks")));
    }
    ranks.barrier();
  });
}

// Each of two ranks sums two tensors with the script `then`, and then waits for its GPU.
void wait_for_a_sum(const NcclScript& then) {
  setenv("RIPIENO_EMULATED_GPUS", "4", 1);
  on_every_rank(2, [&](Communicator& group) {
    const Device device = Device::cuda(group.rank());
    kernels::cuda::set_device(device.index);
    const auto ranks = over_nccl(group.duplicate(), device);
    ranks->set_timeout(std::chrono::seconds(1));
    const Tensor x = Tensor::full({kElements}, 1.0, DType::float32, device);
    ranks->all_reduce(x);
    synchronize(device);
    group.barrier();
    NcclScript script = then;
    set_script({.hangs = script.hangs});
    ranks->all_reduce(x);
    group.barrier();
    set_script(script);
    synchronize(device);
  });
}

TEST_F(ScriptedNccl, ACollectiveThatNeverEndsEndsTheProcess) {
  EXPECT_DEATH(wait_for_a_sum({.hangs = true}),
               "all_reduce of 1001 float32 over NCCL on rank . of 2: timed out after 1 s waiting "
               "for the other ranks");
}

TEST_F(ScriptedNccl, AnErrorOfNcclEndsAProcessThatWaitsForItsGpu) {
  EXPECT_DEATH(
      wait_for_a_sum({.error = ncclRemoteError, .hangs = true}),
      "all_reduce of 1001 float32 over NCCL on rank . of 2: NCCL: remote process exited or "
      "there was a network error; as scripted");
}

// Exits with 76 if a collective throws the failure of an earlier one.
[[noreturn]] void enqueue_until_it_fails() {
  on_every_rank(1, [](Communicator& group) {
    const auto ranks = over_nccl(group.duplicate(), Device::cuda());
    ranks->set_timeout(std::chrono::seconds(1));
    const Tensor x = Tensor::full({kElements}, 1.0, DType::float32, Device::cuda());
    set_script({.hangs = true});
    try {
      for (;;) ranks->all_reduce(x);  // blocks when the queue is full
    } catch (const CommunicationFailure& failure) {
      std::fputs(failure.what(), stderr);
      std::this_thread::sleep_for(std::chrono::seconds(7));  // it has a minute to end
      std::_Exit(76);
    }
  });
  std::_Exit(0);
}

TEST_F(ScriptedNccl, TheNextCollectiveThrowsTheFailureOfAnEarlierOne) {
  EXPECT_EXIT(enqueue_until_it_fails(), ::testing::ExitedWithCode(76),
              "all_reduce of 1001 float32 over NCCL: an earlier collective on cuda:0 failed: "
              "all_reduce of 1001 float32 over NCCL on rank 0 of 1: timed out after 1 s");
}

// ---- Recorded collectives

// `earlier` and `later` are on another stream than the replay, and of another group.
TEST_F(ScriptedNccl, AReplayTakesItsTurnAmongTheCollectivesOfTheGpu) {
  on_every_gpu(2, [](Communicator& ranks, Device device) {
    const auto other = ranks.duplicate();
    const Tensor x = ones(device);
    Tensor of_replay = ones(device), of_later = ones(device);
    const Stream recorded(device), side(device);
    ranks.all_reduce(of_replay);
    recorded.wait(current_stream(device)), side.wait(current_stream(device));
    DeviceGraph graph(recorded, [&] {
      ranks.all_reduce(x);
      of_replay.copy_from(x);
    });
    set_script({.hangs = true});  // so that no other thread runs them in between
    const auto reduce_on_the_side = [&] {
      const OnStream on(side);
      other->all_reduce(x);
    };
    reduce_on_the_side();
    ranks.replay([&] { graph.replay(); });
    reduce_on_the_side();
    {
      const OnStream on(side);
      of_later.copy_from(x);
    }
    ranks.barrier();
    set_script({});
    EXPECT_THAT(of_replay.to_vector<float>(), Each(4.0f));
    const OnStream on(side);
    EXPECT_THAT(of_later.to_vector<float>(), Each(8.0f));
  });
}

TEST_F(ScriptedNccl, ACollectiveThatCannotBeRecordedDoesNotFailTheGroup) {
  on_every_gpu(1, [](Communicator& ranks, Device device) {
    const Tensor x = ones(device);
    ranks.all_reduce(x);
    const Stream stream(device);
    simt::fail_call("cudaStreamWaitEvent", 1, cudaErrorStreamCaptureInvalidated);
    EXPECT_THROW(DeviceGraph(stream, [&] { ranks.all_reduce(x); }), CannotRecord);
    ranks.all_reduce(x);
    EXPECT_THAT(x.to_vector<float>(), Each(1.0f));
  });
}

// ---- Training

struct Trained {
  std::vector<std::vector<float>> parameters;  // by rank
  int64_t waits = 0;                           // of the host, in the last two steps
};

// Trains an MLP on two ranks over communicators that `over` makes from those of threads.
template <typename Over>
Trained train_on_two(const Over& over) {
  Trained trained;
  trained.parameters.resize(2);
  on_every_rank(2, [&](Communicator& group) {
    const Device device = Device::cuda(group.rank());
    kernels::cuda::set_device(device.index);
    const auto ranks = over(group.duplicate(), device);
    nn::Mlp model({5, 33, 3});
    model.to(device);
    optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = 1.0});
    DataParallel parallel(model, optimizer, *ranks, {.bucket_bytes = 256});
    const Tensor inputs = Tensor::full({2, 5}, 1.0 + group.rank(), DType::float32, device);
    const Tensor targets = Tensor::zeros({2}, DType::int32, device);
    for (int step = 1; step <= 5; ++step) {
      group.barrier();
      if (step == 4 && group.rank() == 0) simt::clear_calls();
      group.barrier();
      parallel.backward(model.loss(inputs, targets));
      parallel.step();
    }
    group.barrier();
    if (group.rank() == 0) {
      for (const char* call : {"cudaStreamSynchronize", "cudaEventSynchronize",
                               "cudaDeviceSynchronize", "pageable copy"})
        trained.waits += simt::calls()[call];
    }
    group.barrier();
    trained.parameters[static_cast<std::size_t>(group.rank())] =
        model.parameters().values().flat().to_vector<float>();
  });
  return trained;
}

TEST_F(ScriptedNccl, AStepOfDataParallelTrainingDoesNotBlockTheHost) {
  const Trained expected =
      train_on_two([](std::unique_ptr<Communicator> host, Device) { return host; });
  const Trained trained = train_on_two(over_nccl);
  EXPECT_GT(expected.waits, 0);  // through the host
  EXPECT_EQ(trained.waits, 0);
  EXPECT_EQ(trained.parameters[0], expected.parameters[0]);
  EXPECT_EQ(trained.parameters[1], expected.parameters[1]);
}

}  // namespace
}  // namespace ripieno::distributed::testing
