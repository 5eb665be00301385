// The attention plans that cuDNN made on one device, and what it refused. Private to kernels/cuda.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/kernels/cuda/cudnn/attention_plan.h"
#include "ripieno/kernels/cuda/cudnn/cudnn_graph.h"
#include "ripieno/kernels/cuda/cudnn/plan_files.h"

namespace ripieno::kernels::cuda {

// Any thread may call, and run the plans.
class CudnnPlans {
 public:
  // Uses the device that is current when the first plan is made.
  CudnnPlans(const CudnnFunctions& cudnn, PlanFiles files)
      : cudnn_(cudnn), files_(std::move(files)) {}

  // Null where cuDNN cannot. It is asked once.
  AttentionPlan* plan(AttentionPass pass, const AttentionShape& shape, ElementType type);
  // cuDNN's reasons, a line each.
  std::vector<std::string> refusals() const;

 private:
  struct Key {
    AttentionPass pass;
    AttentionShape shape;
    ElementType type;

    auto operator<=>(const Key&) const = default;
  };

  std::unique_ptr<AttentionPlan> make(const Key& key);
  CudnnPlan kept_or_made(const CudnnGraph& graph, const CudnnTarget& target) const;

  const CudnnFunctions& cudnn_;
  const PlanFiles files_;
  mutable std::mutex mutex_;        // of the handle as well
  cudnnHandle_t handle_ = nullptr;  // never destroyed: at exit the driver may be gone before us
  std::map<Key, std::unique_ptr<AttentionPlan>> plans_;
  std::vector<std::string> refusals_;
};

// How many samples a repeatable backward does at once: a divisor of the batch for which cuDNN's
// scratch, bfloat16 scores of time by time, stays within 256 MiB, or 1.
int64_t repeatable_samples(const AttentionShape& shape);

}  // namespace ripieno::kernels::cuda
