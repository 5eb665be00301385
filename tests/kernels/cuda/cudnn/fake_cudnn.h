// FakeCudnn: records calls of the cuDNN functions that attention plans use. One instance at a time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ripieno/kernels/cuda/cudnn/cudnn_library.h"

namespace ripieno::testing {

class FakeCudnn {
 public:
  FakeCudnn();
  ~FakeCudnn();

  // Arguments of one execution of a plan; pointers are in the graph's order.
  struct Run {
    cudnnHandle_t handle = nullptr;
    cudaStream_t stream = nullptr;
    std::vector<int64_t> numbers;
    std::vector<void*> pointers;
    void* workspace = nullptr;
  };

  kernels::cuda::CudnnFunctions functions() const;

  // Behavior.
  int proposals = 1;      // of each heuristic mode
  int refused_plans = 0;  // number of plans that fail before one is finalized
  bool makes_handles = true;
  bool runs_plans = true;
  bool takes_texts = true;      // whether plans can be made from text
  int64_t workspace_bytes = 0;  // of each plan
  std::string text = "a plan";  // of each plan

  // Recorded calls.
  std::vector<Run> runs;
  std::vector<std::string> texts;  // that plans were made from
  std::map<cudnnBackendDescriptorType_t, int> created;
  std::vector<int64_t> first_dimensions;  // of all tensors in memory: (batch, …)
  int live_descriptors = 0;               // number of descriptors that are not destroyed
};

}  // namespace ripieno::testing
