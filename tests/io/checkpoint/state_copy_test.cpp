// Saves of a state on a GPU, with an emulated GPU that runs work as late as possible, so that a
// missing wait gives wrong numbers.
#include "ripieno/io/checkpoint/state_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cuda_runtime_api.h"
#include "io/checkpoint/sample_state.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/io/checkpoint/background_save.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/kernels/emulator/streams.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const Device kGpu = Device::cuda();

class StateCopyOnGpu : public testing::Test {
 protected:
  void SetUp() override {
    current_stream(kGpu).synchronize();
    simt::reset();
  }
  void TearDown() override { simt::reset(); }

  static void ignore() {}
};

// sample_state() on the GPU, as parts of one block of memory where they have the same type.
State state_on_gpu(int version) {
  State state = sample_state(version);
  const Tensor arena({1000}, DType::float32, kGpu);
  int64_t begin = 0;
  for (StateTensor& tensor : state) {
    const Tensor values = tensor.part;
    if (tensor.dtype == DType::float32) {
      tensor.part = arena.slice(0, begin, begin + values.elements()).reshape(values.shape());
      tensor.part.copy_from(values);
      begin += values.elements() + 64;
    } else {
      tensor.part = values.to(kGpu);
    }
  }
  return state;
}

void overwrite(State& state) {
  for (StateTensor& tensor : state) tensor.part.fill(1.0);
}

TEST_F(StateCopyOnGpu, HasTheNumbersOfItsBeginning) {
  State state = state_on_gpu(1);
  StateCopy copy;
  copy.begin(state);
  copy.order_changes();
  overwrite(state);
  compute_stream(kGpu).synchronize();
  copy.finish(ignore);
  EXPECT_EQ(numbers_of(copy.copied()), numbers_of(sample_state(1)));
}

TEST_F(StateCopyOnGpu, WaitsForTheWorkThatWritesTheState) {
  State state = state_on_gpu(1);
  compute_stream(kGpu).synchronize();
  const Tensor& first = state[0].part;
  Tensor(first).fill(5.0);  // runs when something waits for it
  StateCopy copy;
  copy.begin(state);
  copy.finish(ignore);
  EXPECT_EQ(copy.copied()[0].part.to_vector<float>(),
            std::vector<float>(static_cast<std::size_t>(first.elements()), 5.0f));
}

TEST_F(StateCopyOnGpu, ReleasesTheStateBeforeItIsOnTheHost) {
  State state = state_on_gpu(1);
  StateCopy copy;
  copy.begin(state);
  int64_t copies_before = -1;
  simt::clear_calls();
  copy.finish([&] { copies_before = simt::calls()["cudaMemcpyAsync"]; });
  EXPECT_EQ(copies_before, 0);
  EXPECT_GT(simt::calls()["cudaMemcpyAsync"], 0);
}

TEST_F(StateCopyOnGpu, WithoutMemoryOnTheGpuReleasesTheStateOnceItIsOnTheHost) {
  State state = state_on_gpu(1);
  compute_stream(kGpu).synchronize();
  simt::gpu().memory_bytes = std::size_t{1} << 20;
  simt::gpu().bytes_of_others = 1'010'000;
  StateCopy copy;
  copy.begin(state);
  EXPECT_THAT(copy.shortage(),
              HasSubstr("cuda:0 has no memory for a copy of the state (0.00 GiB)"));
  copy.order_changes();
  bool is_released = false;
  copy.finish([&] {
    is_released = true;
    overwrite(state);
    compute_stream(kGpu).synchronize();
  });
  EXPECT_TRUE(is_released);
  EXPECT_EQ(numbers_of(copy.copied()), numbers_of(sample_state(1)));
}

TEST_F(StateCopyOnGpu, CopiesNeighborsInAnArenaAtOnce) {
  const Tensor arena({1000}, DType::float32, kGpu);
  State state;
  for (int64_t begin = 0; begin < 1000; begin += 100)
    state.push_back(state_of("part " + std::to_string(begin), StateKind::parameter,
                             arena.slice(0, begin, begin + 50)));
  StateCopy copy;
  copy.reserve(state);
  simt::clear_calls();
  copy.begin(state);
  EXPECT_EQ(simt::calls()["cudaMemcpyAsync"], 1);
  copy.finish(ignore);
}

TEST_F(StateCopyOnGpu, KeepsNoMemoryInUseOnTheGpu) {
  const State state = state_on_gpu(1);
  const int64_t before = pool_statistics(kGpu).bytes_in_use;
  StateCopy copy;
  copy.begin(state);
  EXPECT_GT(pool_statistics(kGpu).bytes_in_use, before);
  copy.finish(ignore);
  EXPECT_EQ(pool_statistics(kGpu).bytes_in_use, before);
}

TEST_F(StateCopyOnGpu, AfterAFailedCopyMakesTheNext) {
  const State state = state_on_gpu(1);
  StateCopy copy;
  copy.begin(state);
  simt::fail_call("cudaMemcpyAsync", 3, cudaErrorInvalidValue);
  EXPECT_ANY_THROW(copy.finish(ignore));
  copy.begin(state);
  copy.finish(ignore);
  EXPECT_EQ(numbers_of(copy.copied()), numbers_of(sample_state(1)));
}

TEST_F(StateCopyOnGpu, ASaveEnqueuesNoCopyOnTheComputeStreamAndNoneOfPageableMemory) {
  const TemporaryDirectory directory;
  BackgroundSaver saver(local_files(), directory.path());
  State state = state_on_gpu(1);
  saver.reserve(state);
  simt::clear_calls();
  saver.start(1, state, {}, {.attempt = "1"});
  saver.wait_until_copied();
  overwrite(state);
  EXPECT_THAT(saver.wait()->failure, IsEmpty());
  EXPECT_GT(simt::calls()["cudaMemcpyAsync"], 0);
  EXPECT_EQ(simt::copies_on(compute_stream(kGpu).handle()), 0);
  EXPECT_EQ(simt::calls()["pageable copy"], 0);
  EXPECT_EQ(simt::calls()["cudaHostAlloc"], 0);
  EXPECT_EQ(numbers_in(local_files(), directory / "step_00000001"), numbers_of(sample_state(1)));
}

TEST_F(StateCopyOnGpu, ASaveHasTheNumbersOfItsBeginningIfTheGpuIsLate) {
  const TemporaryDirectory directory;
  BackgroundSaver saver(local_files(), directory.path());
  State state = state_on_gpu(1);
  auto is_late = std::make_shared<bool>(true);  // guarded by gpu_lock()
  CUstream_st* const computing = compute_stream(kGpu).handle();
  simt::Streams& streams = simt::Streams::instance();
  {
    const auto lock = simt::gpu_lock();
    streams.enqueue_waiting(computing, [=] { return [=] { return !*is_late; }; });
  }
  saver.start(1, state, {}, {.attempt = "1"});
  saver.wait_until_copied();
  overwrite(state);
  {
    const auto lock = simt::gpu_lock();  // the thread of the save reads nothing before this ends
    *is_late = false;
    streams.run_all(computing);
  }
  EXPECT_THAT(saver.wait()->failure, IsEmpty());
  EXPECT_EQ(numbers_in(local_files(), directory / "step_00000001"), numbers_of(sample_state(1)));
}

}  // namespace
}  // namespace ripieno::io
