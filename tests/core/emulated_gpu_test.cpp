// Tests of the host code above the CUDA runtime with an emulated GPU, which runs work late and
// records calls: for hosts without a GPU.
#include "ripieno/kernels/emulator/emulated_gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "cuda_runtime_api.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/device/device_memory.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {
namespace {

namespace cuda = kernels::cuda;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::ThrowsMessage;

// These tests look at the pools, which are disabled in tests under AddressSanitizer.
const int kPoolsAreOn = setenv("RIPIENO_POOL", "on", 1);

const Device kGpu = Device::cuda();

class EmulatedGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    current_stream(kGpu).synchronize();
    simt::reset();
    simt::set_eager_streams(false);
  }
  void TearDown() override {
    cuda::synchronizes_each_operation() = false;
    simt::reset();
    simt::set_eager_streams(false);
    trim_pools(kGpu);
  }
};

Tensor filled(float value) { return Tensor::full({33}, value, DType::float32, kGpu); }

// ---- Order

// The first element of x squared, computed on another stream.
float squared_on_another_stream(const Tensor& x, bool waits) {
  const Stream side(kGpu);
  if (waits) side.wait(compute_stream(kGpu));
  const OnStream on(side);
  return square(x).to_vector<float>()[0];
}

TEST_F(EmulatedGpu, AMissingWaitReadsTheOldValues) {
  const Tensor x = filled(2.0f);
  current_stream(kGpu).synchronize();
  Tensor(x).fill(3.0);
  EXPECT_EQ(squared_on_another_stream(x, /*waits=*/false), 4.0f);
  EXPECT_EQ(squared_on_another_stream(x, /*waits=*/true), 9.0f);
}

TEST_F(EmulatedGpu, EagerStreamsRunWorkAtOnce) {
  simt::set_eager_streams(true);
  const Tensor x = filled(3.0f);
  EXPECT_EQ(squared_on_another_stream(x, /*waits=*/false), 9.0f);
}

TEST_F(EmulatedGpu, AnEventIsDoneWhenItsStreamHasReachedIt) {
  Event event(kGpu);
  const Tensor x = filled(3.0f);
  event.record(current_stream(kGpu));
  EXPECT_FALSE(event.is_done());
  EXPECT_TRUE(event.is_done());  // the emulator makes progress at each call
}

// The result of reading memory that a copy stream reuses while the compute stream still reads its
// old contents.
float read_while_reused(bool recorded) {
  const Stream copies(kGpu);
  Tensor result;
  {
    Tensor x;
    {
      const OnStream on(copies);
      x = filled(2.0f);
    }
    compute_stream(kGpu).wait(copies);
    if (recorded) x.record_use(compute_stream(kGpu));
    result = square(x);
  }
  const OnStream on(copies);
  const Tensor next = filled(5.0f);  // in the same memory
  copies.synchronize();
  const OnStream back(compute_stream(kGpu));
  return result.to_vector<float>()[0];
}

TEST_F(EmulatedGpu, MemoryIsNotReusedBeforeARecordedStreamHasFinished) {
  EXPECT_EQ(read_while_reused(/*recorded=*/false), 25.0f);
  EXPECT_EQ(read_while_reused(/*recorded=*/true), 4.0f);
}

TEST_F(EmulatedGpu, AFreedBlockIsReusedAtOnceOnlyOnItsStream) {
  const Stream side(kGpu);
  const void* const block = filled(1.0f).raw_data();
  {
    const OnStream on(side);
    EXPECT_NE(filled(2.0f).raw_data(), block);
  }
  simt::clear_calls();
  EXPECT_EQ(filled(3.0f).raw_data(), block);
  EXPECT_THAT(simt::calls(), Not(Contains(Key("cudaMalloc"))));
}

TEST_F(EmulatedGpu, ACopyBetweenGpusIsOrderedOnBoth) {
  simt::gpu().devices = 2;
  Tensor x = filled(2.0f);
  const Tensor copy = x.to(Device::cuda(1));
  x.fill(3.0);
  current_stream(kGpu).synchronize();
  EXPECT_EQ(copy.to_vector<float>()[0], 2.0f);
  EXPECT_EQ(square(copy).to_vector<float>()[0], 4.0f);
}

TEST_F(EmulatedGpu, HostMemoryMayChangeAfterItWasCopied) {
  std::vector<float> numbers(33, 2.0f);
  const Tensor x({33}, DType::float32, kGpu);
  copy_bytes(x.raw_data(), kGpu, numbers.data(), Device::cpu(), x.bytes());
  numbers.assign(33, 7.0f);
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>(33, 2.0f));
}

// ---- A steady step

TEST_F(EmulatedGpu, ASteadyStepNeitherAllocatesNorWaits) {
  nn::Gpt model({.vocab = 17, .layers = 1, .heads = 2, .channels = 16, .context = 8});
  model.to(kGpu, DType::bfloat16);
  optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = 1.0});
  const Tensor ids = Tensor::zeros({2, 8}, DType::int32, kGpu);
  std::vector<const void*> addresses;
  const auto step = [&] {
    const Loss loss = model.loss(ids, ids);
    loss.sum.backward();
    optimizer.step(loss.count);
    addresses.push_back(loss.sum.raw_data());
  };
  for (int i = 0; i < 3; ++i) step();
  addresses.clear();
  simt::clear_calls();
  for (int i = 0; i < 3; ++i) step();
  for (const char* call :
       {"cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaStreamSynchronize", "cudaEventSynchronize",
        "cudaDeviceSynchronize", "cudaStreamCreateWithFlags", "cudaEventCreateWithFlags",
        "pageable copy"}) {
    EXPECT_EQ(simt::calls()[call], 0) << call;
  }
  EXPECT_GT(simt::calls()["launch"], 0);
  EXPECT_THAT(addresses, Each(addresses.front()));
}

// ---- Memory

TEST_F(EmulatedGpu, FreeBlocksOfOtherStreamsAreReleasedBeforeOutOfMemory) {
  simt::gpu().memory_bytes = 3 << 20;
  {
    const Stream side(kGpu);
    const OnStream on(side);
    const Tensor x({2 << 20}, DType::uint8, kGpu);
  }
  EXPECT_NO_THROW(Tensor({2 << 20}, DType::uint8, kGpu));
}

TEST_F(EmulatedGpu, OutOfMemoryNamesTheTensorTheUsesOfMemoryAndARemedy) {
  simt::gpu().memory_bytes = std::size_t{4} << 30;
  simt::gpu().bytes_of_others = std::size_t{1} << 30;
  EXPECT_THAT(
      [] {
        Tensor({int64_t{1} << 20, 1024}, DType::float32, kGpu);
      },
      ThrowsMessage<OutOfMemory>(AllOf(
          HasSubstr("cannot allocate a tensor (1048576, 1024) float32: cuda:0 is out of memory; "
                    "tried to allocate 4.00 GiB: of 4.00 GiB in total"),
          HasSubstr("CUDA and other processes use 1.00 GiB"),
          HasSubstr("train.micro_batch_size"))));
}

TEST_F(EmulatedGpu, ParametersGradientsAndOptimizerStateAreCounted) {
  nn::Gpt model({.vocab = 17, .layers = 1, .heads = 2, .channels = 16, .context = 8});
  model.to(kGpu);
  optim::AdamW optimizer(model.parameters());
  const Tensor ids = Tensor::zeros({2, 8}, DType::int32, kGpu);
  model.loss(ids, ids).sum.backward();
  optimizer.step();
  const int64_t bytes = model.parameters().values().bytes();
  EXPECT_EQ(counted_memory(kGpu, MemoryKind::parameters), bytes);
  EXPECT_EQ(counted_memory(kGpu, MemoryKind::gradients), bytes);
  EXPECT_EQ(counted_memory(kGpu, MemoryKind::optimizer_state), 2 * bytes);
}

// ---- Errors

TEST_F(EmulatedGpu, AKernelErrorIsReportedByALaterCallWithTheLastWorkOfTheStream) {
  const Tensor a = Tensor::zeros({8, 16}, DType::float32, kGpu);
  const Tensor b = Tensor::zeros({16, 24}, DType::float32, kGpu);
  current_stream(kGpu).synchronize();
  simt::fail_work(1, cudaErrorIllegalAddress);
  const Tensor c = matmul(a, b);
  EXPECT_THAT([&] { c.to_vector<float>(); },
              ThrowsMessage<cuda::CudaError>(
                  AllOf(HasSubstr("an illegal memory access was encountered; last enqueued: "),
                        HasSubstr("on the compute stream of cuda:0: "),
                        HasSubstr("matmul (m, n, k, batch) (8, 24, 16, 1)"),
                        HasSubstr("set RIPIENO_SYNC=1 to stop at the operation that failed"))));
}

TEST_F(EmulatedGpu, WithSyncAnErrorIsThrownByTheCallThatCausedIt) {
  const Tensor x = filled(1.0f);
  current_stream(kGpu).synchronize();
  cuda::synchronizes_each_operation() = true;
  simt::fail_work(1, cudaErrorIllegalAddress);
  EXPECT_THAT([&] { square(x); },
              ThrowsMessage<cuda::CudaError>(
                  HasSubstr("a kernel (1, 1, 1, 256, 1, 1) on the compute stream of cuda:0: an "
                            "illegal memory access")));
}

TEST_F(EmulatedGpu, AFailedLaunchNamesKernelShapeAndStream) {
  const Tensor x = filled(1.0f);
  simt::fail_call("launch", 1, cudaErrorInvalidValue);
  EXPECT_THAT([&] { square(x); },
              ThrowsMessage<cuda::CudaError>(HasSubstr(
                  "launch of a kernel, grid (1, 1, 1), block (256, 1, 1), on the compute stream of "
                  "cuda:0: invalid argument")));
}

TEST_F(EmulatedGpu, ALaunchThatRequestsTooMuchDoesNotBlameEarlierWork) {
  const Tensor x = filled(1.0f);
  simt::fail_call("launch", 1, cudaErrorLaunchOutOfResources);
  EXPECT_THAT([&] { square(x); }, ThrowsMessage<cuda::CudaError>(
                                      AllOf(HasSubstr("launch of a kernel"),
                                            EndsWith("too many resources requested for launch"))));
}

TEST_F(EmulatedGpu, AFailedCopyNamesItsSizeAndStream) {
  simt::fail_call("cudaMemcpyAsync", 1, cudaErrorInvalidValue);
  EXPECT_THAT(
      [] { Tensor::zeros({33}).to(kGpu); },
      ThrowsMessage<cuda::CudaError>(HasSubstr(
          "cudaMemcpyAsync of 132 bytes on the compute stream of cuda:0: invalid argument")));
}

// ---- Drivers and GPUs that cannot be used

TEST_F(EmulatedGpu, WithoutADriverThereAreNoGpusAndNoError) {
  simt::gpu().driver_version = 0;
  EXPECT_EQ(cuda::device_count(), 0);
  EXPECT_EQ(cuda::describe(), "no CUDA driver");
  EXPECT_EQ(cuda::describe_unusable(), "");
}

TEST_F(EmulatedGpu, AnOldDriverIsReportedWithTheRequiredVersion) {
  simt::gpu().driver_version = 12020;
  EXPECT_EQ(cuda::device_count(), 0);
  EXPECT_EQ(
      cuda::describe(),
      "the driver supports CUDA up to 12.2, this build requires 13.0; install a newer driver");
  EXPECT_EQ(cuda::describe_unusable(), cuda::describe());
}

TEST_F(EmulatedGpu, AnUnsupportedGpuIsReportedWithTheSupportedArchitectures) {
  simt::gpu().compute_capability = 75;
  EXPECT_EQ(cuda::device_count(), 0);
  EXPECT_THAT(cuda::describe(), HasSubstr("compute capability 7.5, which this build does not "
                                          "support (built for 80-virtual; requires at least 8.0)"));
  EXPECT_EQ(cuda::describe_unusable(), cuda::describe());
}

TEST_F(EmulatedGpu, TheDescriptionIncludesTheMemoryInUse) {
  simt::gpu().bytes_of_others = std::size_t{3} << 30;
  EXPECT_THAT(cuda::describe(), HasSubstr("emulated on the CPU, compute capability 9.0, 64 GiB, 3 "
                                          "GiB in use"));
  EXPECT_EQ(cuda::describe_unusable(), "");
}

}  // namespace
}  // namespace ripieno
