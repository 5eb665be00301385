// FakeCudnn: cuDNN's functions as far as plans of attention need them, recorded. One at a time.
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

  // What a plan was run with: the pointers of the variant pack, in the graph's order.
  struct Run {
    cudnnHandle_t handle = nullptr;
    cudaStream_t stream = nullptr;
    std::vector<int64_t> numbers;
    std::vector<void*> pointers;
    void* workspace = nullptr;
  };

  kernels::cuda::CudnnFunctions functions() const;

  // What it answers.
  int proposals = 1;      // by each heuristic mode
  int refused_plans = 0;  // before one is finalized
  bool makes_handles = true;
  bool runs_plans = true;
  bool takes_texts = true;      // of plans
  int64_t workspace_bytes = 0;  // of each plan
  std::string text = "a plan";  // of each plan

  // What it was asked.
  std::vector<Run> runs;
  std::vector<std::string> texts;  // that plans were to be made from
  std::map<cudnnBackendDescriptorType_t, int> created;
  std::vector<int64_t> first_dimensions;  // of all tensors in memory: (batch, …)
  int living = 0;                         // descriptors
};

}  // namespace ripieno::testing
