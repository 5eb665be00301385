#include "ripieno/kernels/emulator/emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernel_test.h"
#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/emulator/built_ins.h"
#include "ripieno/kernels/emulator/sanitizers.h"

namespace ripieno::testing {
namespace {

namespace cuda = kernels::cuda;
using ::testing::HasSubstr;

// The indices of the thread and of the next one, so that each order of threads would show.
__global__ void exchange(int* out) {
  auto& indices = cuda::block_shared<int[64]>();
  indices[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = indices[threadIdx.x ^ 63];
}
__global__ void synchronize_half() {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void return_before_barrier(unsigned limit) {
  if (threadIdx.x >= limit) return;
  __syncthreads();
}
__global__ void two_barriers() {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void shuffle_in_half_a_warp(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(~0u, static_cast<int>(threadIdx.x), 1);
}
__global__ void shuffle_outside_mask(int* out) {
  out[threadIdx.x] = __shfl_sync(0xffffu, static_cast<int>(threadIdx.x), 0);
}
__global__ void shuffle_from_absent_lane(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, static_cast<int>(threadIdx.x), 20);
}
__global__ void read_unwritten(float* out) {
  out[0] = cuda::block_shared<float>();
  out[1] = *cuda::dynamic_shared<float>();
}
__global__ void collect(int* out) {
  const int index = static_cast<int>(threadIdx.x);
  out[0] = static_cast<int>(__ballot_sync(~0u, index < 5));
  out[1 + index] = __shfl_up_sync(~0u, index, 1) + 100 * __shfl_down_sync(~0u, index, 2);
  __syncwarp();
  atomicAdd(&out[33], index);
  atomicSub(&out[34], index);
  atomicMax(&out[35], index);
}
__global__ void write_index(int* out, int64_t size) {
  if (cuda::global_thread() < size) out[cuda::global_thread()] = static_cast<int>(blockIdx.x);
}
__global__ void write_past_the_end(int* out) { out[threadIdx.x] = 1; }

class Emulator : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Emulator, device_runs(), run_name);

template <typename... Parameters, typename... Arguments>
std::string refusal(void (*kernel)(Parameters...), unsigned threads, Arguments... arguments) {
  try {
    cuda::launch(kernel, {dim3(1), dim3(threads)}, arguments...);
  } catch (const simt::EmulationError& error) {
    return error.what();
  }
  return "";
}

TEST_P(Emulator, ABarrierMakesWritesVisibleToAllThreads) {
  Both<int> out(64);
  cuda::launch(exchange, {dim3(1), dim3(64)}, out.device());
  for (int i = 0; i < 64; ++i) EXPECT_EQ(out.from_device()[i], i ^ 63);
}

TEST_P(Emulator, ABarrierThatNotAllReachIsReported) {
  EXPECT_THAT(refusal(synchronize_half, 64), HasSubstr("__syncthreads"));
  EXPECT_THAT(refusal(return_before_barrier, 64, 40u), HasSubstr("__syncthreads"));
  EXPECT_THAT(refusal(two_barriers, 64), HasSubstr("different __syncthreads"));
}

TEST_P(Emulator, AShuffleThatNotAllReachIsReported) {
  Both<int> out(32);
  EXPECT_THAT(refusal(shuffle_in_half_a_warp, 32, out.device()), HasSubstr("deadlock"));
  EXPECT_THAT(refusal(shuffle_outside_mask, 32, out.device()), HasSubstr("not in the mask"));
  EXPECT_THAT(refusal(shuffle_from_absent_lane, 32, out.device()), HasSubstr("lane 20"));
}

TEST_P(Emulator, RemainsUsableAfterAFailure) {
  Both<int> out(64);
  EXPECT_NE(refusal(synchronize_half, 64), "");
  cuda::launch(exchange, {dim3(1), dim3(64)}, out.device());
  EXPECT_EQ(out.from_device()[0], 63);
}

TEST_P(Emulator, SharedMemoryStartsAsNanInEachBlock) {
  Both<float> out{0.0f, 0.0f};
  cuda::launch(read_unwritten, {dim3(3), dim3(1), 64}, out.device());
  EXPECT_TRUE(std::isnan(out.from_device()[0]));
  EXPECT_TRUE(std::isnan(out.from_device()[1]));
}

TEST_P(Emulator, CollectivesAndAtomicsMatchCuda) {
  Both<int> out(36);
  for (int i = 33; i < 36; ++i) out.host()[i] = 0;
  out.update_device();
  cuda::launch(collect, {dim3(1), dim3(32)}, out.device());
  const auto result = out.from_device();
  EXPECT_EQ(result[0], 0b11111);
  EXPECT_EQ(result[1 + 0], 0 + 100 * 2);
  EXPECT_EQ(result[1 + 9], 8 + 100 * 11);
  EXPECT_EQ(result[1 + 31], 30 + 100 * 31);
  EXPECT_EQ(result[33], 496);
  EXPECT_EQ(result[34], -496);
  EXPECT_EQ(result[35], 31);
}

TEST_P(Emulator, RunsEachThreadOfEachBlockOnce) {
  Both<int> out(1001);
  cuda::launch(write_index, cuda::thread_each(OnCuda{}, 1001), out.device(), 1001);
  for (int i = 0; i < 1001; ++i) ASSERT_EQ(out.from_device()[i], i / cuda::kBlockSize);
}

TEST_P(Emulator, RejectsLaunchesThatAGpuRejects) {
  const auto launch_of = [](dim3 block, std::size_t shared_bytes) {
    cuda::launch(synchronize_half, {dim3(1), block, shared_bytes});
  };
  EXPECT_THROW(launch_of(dim3(1025), 0), simt::EmulationError);
  EXPECT_THROW(launch_of(dim3(32), 300000), std::runtime_error);  // by emulator or runtime
}

class EmulatorDeathTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, EmulatorDeathTest, device_runs(), run_name);

TEST_P(EmulatorDeathTest, AddressSanitizerDetectsAccessOutsideDeviceMemory) {
  if (!simt::kAddressSanitizer) GTEST_SKIP() << "built without AddressSanitizer";
  Both<int> out(64);
  EXPECT_DEATH(cuda::launch(write_past_the_end, {dim3(1), dim3(65)}, out.device()), "AddressSan");
  EXPECT_DEATH(std::exit(out.device()[0]), "AddressSan");
}

}  // namespace
}  // namespace ripieno::testing
