#include "ripieno/core/device/device_graph.h"

#include <gmock/gmock.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/random.h"
#include "ripieno/core/tensor.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const Device kGpu = Device::cuda();

class DeviceGraphTest : public testing::GpuTest {
 protected:
  void SetUp() override {
    testing::GpuTest::SetUp();
    if (IsSkipped()) return;
    stream_ = std::make_unique<Stream>(kGpu);
    x_ = Tensor::full({33}, 2.0, DType::float32, kGpu);
    result_ = Tensor::zeros({33}, DType::float32, kGpu);
  }
  // Enqueues result = x * x, once without and once with a recording.
  std::unique_ptr<DeviceGraph> recorded_square() {
    const auto work = [&] { result_.copy_from(square(x_)); };
    {
      const OnStream on(*stream_);
      work();  // allocates the memory
    }
    stream_->synchronize();
    result_.fill(0.0);
    return std::make_unique<DeviceGraph>(*stream_, work);
  }
  void expect_failure(const std::function<void()>& work, const std::string& why) {
    EXPECT_THAT([&] { DeviceGraph(*stream_, work); }, ThrowsMessage<CannotRecord>(HasSubstr(why)));
    EXPECT_FALSE(is_recording());
    EXPECT_NO_THROW(recorded_square()->replay()) << "the stream can be recorded again";
    EXPECT_EQ(result_.to_vector<float>(), std::vector<float>(33, 4.0f));
  }

  std::unique_ptr<Stream> stream_;
  Tensor x_, result_;
};

TEST_F(DeviceGraphTest, RecordedWorkDoesNotRunUntilItIsReplayed) {
  const auto graph = recorded_square();
  stream_->synchronize();
  EXPECT_EQ(result_.to_vector<float>(), std::vector<float>(33, 0.0f));
  graph->replay();
  EXPECT_EQ(result_.to_vector<float>(), std::vector<float>(33, 4.0f));
  EXPECT_EQ(graph->operations(), 2);
}

TEST_F(DeviceGraphTest, AReplayReadsTheCurrentValuesInStreamOrder) {
  const auto graph = recorded_square();
  for (const float value : {3.0f, 5.0f}) {
    x_.fill(value);
    graph->replay();
    EXPECT_EQ(result_.to_vector<float>(), std::vector<float>(33, value * value));
  }
}

TEST_F(DeviceGraphTest, IncludesWorkOfAStreamThatItWaitsFor) {
  const Stream side(kGpu);
  {
    const OnStream on(side);
    result_.copy_from(square(x_));
  }
  compute_stream(kGpu).wait(side);
  result_.fill(0.0);
  current_stream(kGpu).synchronize();
  DeviceGraph graph(*stream_, [&] {
    side.wait(*stream_);
    {
      const OnStream on(side);
      result_.copy_from(square(x_));
    }
    stream_->wait(side);
    result_.copy_from(x_);
  });
  x_.fill(7.0);
  graph.replay();
  EXPECT_EQ(result_.to_vector<float>(), std::vector<float>(33, 7.0f));
  EXPECT_EQ(graph.operations(), 3);
}

TEST_F(DeviceGraphTest, WorkThatNothingWaitsForCannotBeRecorded) {
  const Stream side(kGpu);
  expect_failure(
      [&] {
        side.wait(*stream_);
        const OnStream on(side);
        x_.copy_from(x_);
      },
      "unjoined work");
}

TEST_F(DeviceGraphTest, AWaitForWorkOutsideCannotBeRecorded) {
  const Stream side(kGpu);
  expect_failure([&] { stream_->wait(side); }, "uncaptured work in another stream");
}

TEST_F(DeviceGraphTest, AValueOnTheHostCannotBeRecorded) {
  expect_failure([&] { x_.to_vector<float>(); }, "copy of 132 bytes from or to host memory");
  expect_failure([&] { Tensor::full({33}, 1.0).to(kGpu); }, "host memory");
  expect_failure([&] { fill_uniform(x_, 0.0, 1.0, {.seed = 1}); }, "fill_uniform uses a value");
}

TEST_F(DeviceGraphTest, AnAllocationCannotBeRecorded) {
  expect_failure([&] { Tensor({int64_t{1} << 18}, DType::float32, kGpu); }, "cudaMalloc");
}

TEST_F(DeviceGraphTest, AWaitOfTheHostCannotBeRecorded) {
  Event event(kGpu);
  event.record(*stream_);
  expect_failure([&] { stream_->synchronize(); }, "cudaStreamSynchronize");
  expect_failure([&] { event.synchronize(); }, "cudaEventSynchronize");
  expect_failure([&] { event.is_done(); }, "cudaEventQuery");
}

TEST_F(DeviceGraphTest, AnExceptionEndsTheRecording) {
  EXPECT_THROW(DeviceGraph(*stream_, [] { throw DataError("bad row"); }), DataError);
  EXPECT_FALSE(is_recording());
  recorded_square()->replay();
  EXPECT_EQ(result_.to_vector<float>(), std::vector<float>(33, 4.0f));
}

TEST_F(DeviceGraphTest, ARandomKeyInMemoryIsReadByEachReplay) {
  const ScopedRandomContext context({.seed = 3, .step = 1});
  const Tensor step_key = step_key_on(kGpu);
  Tensor key({24}, DType::uint8, kGpu);
  const auto work = [&] { key.copy_from(random_key_on(kGpu, 7)); };
  {
    const OnStream on(*stream_);
    work();
  }
  random_context().step_key = step_key;
  DeviceGraph graph(*stream_, work);
  random_context().step_key = {};
  for (const uint64_t step : {4, 5}) {
    random_context().step = step;
    write_step_key(step_key);
    graph.replay();
    EXPECT_EQ(key.to_vector<uint8_t>(), random_key_on(kGpu, 7).to_vector<uint8_t>());
  }
}

}  // namespace
}  // namespace ripieno
