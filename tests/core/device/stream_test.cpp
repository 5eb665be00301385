// Tests of streams and events that apply to every device; emulated_gpu_test.cpp has those that
// apply to GPUs only.
#include "ripieno/core/device/stream.h"

#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/tensor.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

void expect_stream_contract(Device device) {
  const Stream side(device);
  Event begin(device, /*timed=*/true), end(device, /*timed=*/true);
  EXPECT_TRUE(begin.is_done());
  begin.record(compute_stream(device));
  const Tensor x = Tensor::full({1001}, 2.0, DType::float32, device);
  side.wait(compute_stream(device));
  {
    const OnStream on(side);
    EXPECT_EQ(&current_stream(device), &side);
    EXPECT_EQ(square(x).to_vector<float>(), std::vector<float>(1001, 4.0f));
  }
  EXPECT_EQ(&current_stream(device), &compute_stream(device));
  end.record(compute_stream(device));
  end.synchronize();
  EXPECT_TRUE(end.is_done());
  EXPECT_GE(end.milliseconds_since(begin), 0.0);
}

TEST(Streams, OnTheCpuNeverWait) { expect_stream_contract(Device::cpu()); }

TEST(Streams, OnAMissingGpuThrowAConfigurationError) {
  EXPECT_THROW(Tensor::zeros({1}, DType::float32, Device::cuda(63)), ConfigurationError);
  EXPECT_THROW(Event(Device::cuda(63)), ConfigurationError);
}

class GpuStreams : public testing::GpuTest {};

TEST_F(GpuStreams, WaitForEachOtherOnlyWhenRequested) { expect_stream_contract(Device::cuda()); }

TEST_F(GpuStreams, ReuseTheDriverObjectOfADestroyedStream) {
  CUstream_st* handle = nullptr;
  {
    const Stream stream(Device::cuda());
    handle = stream.handle();
    EXPECT_NE(handle, compute_stream(Device::cuda()).handle());
    EXPECT_NE(handle, Stream(Device::cuda()).handle());
  }
  const Stream first(Device::cuda()), second(Device::cuda());
  EXPECT_TRUE(first.handle() == handle || second.handle() == handle);
}

}  // namespace
}  // namespace ripieno
