// Tests that cuDNN accepts the attention graphs for GPUs that are not present: since 9.8 it makes
// plans, and compiles kernels, for a device that is described to it.
#include <gtest/gtest.h>

#include <string>

#include "ripieno/kernels/cuda/cudnn/cudnn_attention.h"

namespace ripieno::kernels::cuda {
namespace {

struct Gpu {
  std::string name;
  int version;  // compute capability times 100
  int processors;
  int64_t shared_bytes;  // maximum per block
};
const Gpu kA100{"A100", 800, 108, 166912}, kH200{"H200", 900, 132, 232448},
    kB200{"B200", 1000, 148, 232448};

std::string describe(const Gpu& gpu) {
  return R"({"deviceName":")" + gpu.name + R"(","cudaDeviceId":0,"deviceVer":)" +
         std::to_string(gpu.version) + R"(,"multiProcessorCount":)" +
         std::to_string(gpu.processors) + R"(,"maxSharedMemoryPerBlockOptin":)" +
         std::to_string(gpu.shared_bytes) +
         R"(,"driverVer":13000,"totalGlobalMem":85899345920,)"
         R"("maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
         R"("regsPerBlock":65536,"smClockRateKHz":1980000,"memClockRateKHz":2619000,)"
         R"("l2CacheSize":52428800,"warpSize":32,"maxSharedMemoryPerBlock":49152,)"
         R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"pciDeviceId":0,)"
         R"("maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,)"
         R"("isTccDriver":0,"supportCoopLaunch":1})";
}

// q, k and v packed as (batch, time, 3, heads, head size), 12 heads.
AttentionShape packed(int64_t batch, int64_t time, int64_t head_size) {
  const int64_t row = 3 * 12 * head_size;
  return {.batch = batch,
          .time = time,
          .heads = 12,
          .head_size = head_size,
          .qkv_batch_stride = time * row,
          .qkv_time_stride = row,
          .scale = 0.125};
}

class CudnnPlansFor : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cudnn().found) GTEST_SKIP() << cudnn().description;
  }

  CudnnPlan forward(const Gpu& gpu, const AttentionShape& shape,
                    cudnnDataType_t type = CUDNN_DATA_BFLOAT16) {
    const CudnnDescriptor properties = described(gpu);
    return attention_forward_graph(cudnn().functions, shape, type).plan({nullptr, &properties});
  }
  CudnnPlan backward(const Gpu& gpu, const AttentionShape& shape,
                     cudnnDataType_t type = CUDNN_DATA_BFLOAT16) {
    const CudnnDescriptor properties = described(gpu);
    return attention_backward_graph(cudnn().functions, shape, type).plan({nullptr, &properties});
  }

  static CudnnDescriptor described(const Gpu& gpu) {
    const std::string text = describe(gpu);
    CudnnDescriptor properties(cudnn().functions, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "a device");
    properties
        .set_all(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                 std::span<const char>(text))
        .finalize();
    return properties;
  }
};

TEST_F(CudnnPlansFor, APlanCanBeSavedAsText) {
  const CudnnDescriptor properties = described(kH200);
  const CudnnTarget target{nullptr, &properties};
  const CudnnGraph graph =
      attention_backward_graph(cudnn().functions, packed(2, 256, 64), CUDNN_DATA_BFLOAT16);
  const CudnnPlan made = graph.plan(target);
  const CudnnPlan read = graph.plan_from(made.text(), target);
  EXPECT_EQ(read.workspace_bytes(), made.workspace_bytes());
  EXPECT_EQ(read.text(), made.text());
}

constexpr int64_t kMiB = int64_t{1} << 20;

TEST_F(CudnnPlansFor, Gpt2AttentionOnAnH200StoresNoScoreMatrix) {
  const AttentionShape shape = packed(64, 1024, 64);
  EXPECT_LT(forward(kH200, shape).workspace_bytes(), kMiB);
  EXPECT_LT(backward(kH200, shape).workspace_bytes(), kMiB);
}

TEST_F(CudnnPlansFor, HeadsOf128ChannelsAreSupported) {
  const AttentionShape shape = packed(8, 1024, 128);
  EXPECT_LT(forward(kH200, shape).workspace_bytes(), kMiB);
  EXPECT_LT(backward(kH200, shape).workspace_bytes(), kMiB);
}

TEST_F(CudnnPlansFor, OddTimesAreSupported) {
  const AttentionShape shape = packed(4, 1023, 64);
  EXPECT_NO_THROW(forward(kH200, shape));
  EXPECT_NO_THROW(backward(kH200, shape));
}

TEST_F(CudnnPlansFor, Float16IsSupported) {
  const AttentionShape shape = packed(4, 256, 64);
  EXPECT_NO_THROW(forward(kH200, shape, CUDNN_DATA_HALF));
  EXPECT_NO_THROW(backward(kH200, shape, CUDNN_DATA_HALF));
}

TEST_F(CudnnPlansFor, ARepeatableBackwardStoresTheScoreMatrix) {
  AttentionShape shape = packed(2, 1024, 64);
  shape.repeatable = true;
  const int64_t scores = 2 * 12 * int64_t{1024} * 1024 * 2;
  const int64_t workspace = backward(kH200, shape).workspace_bytes();
  EXPECT_GE(workspace, scores);
  EXPECT_LT(workspace, scores + kMiB);
}

TEST_F(CudnnPlansFor, OlderAndNewerGpusAreSupported) {
  for (const Gpu& gpu : {kA100, kB200}) {
    EXPECT_NO_THROW(forward(gpu, packed(4, 1024, 64))) << gpu.name;
    EXPECT_NO_THROW(backward(gpu, packed(4, 1024, 64))) << gpu.name;
  }
}

TEST_F(CudnnPlansFor, HeadsOf12ChannelsAreRejectedWithAReason) {
  try {
    forward(kH200, packed(4, 64, 12));
    FAIL() << "a plan was made";
  } catch (const CudaError& error) {
    EXPECT_EQ(std::string(error.what()).find("cuDNN: "), 0u) << error.what();
  }
}

}  // namespace
}  // namespace ripieno::kernels::cuda
