// The cuDNN attention plans of one device, and the shapes that cuDNN has no plan for. Private to
// kernels/cuda.
#pragma once

#include <compare>
#include <functional>
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

// Thread-safe; so are the plans.
class CudnnPlans {
 public:
  using Remark = std::function<void(const std::string&)>;

  // Uses the device that is current when the first plan is made. `remark` receives each refusal at
  // once; it must not call functions of this object.
  CudnnPlans(const CudnnFunctions& cudnn, PlanFiles files, Remark remark = {})
      : cudnn_(cudnn), files_(std::move(files)), remark_(std::move(remark)) {}

  // The plan, created at the first call. Null if cuDNN has none, which is tried only once.
  AttentionPlan* plan(AttentionPass pass, const AttentionShape& shape, ElementType type);
  // One line for each shape without a plan, or whose plan failed when it was run, with the reason.
  std::vector<std::string> refusals() const;

 private:
  struct Key {
    AttentionPass pass;
    AttentionShape shape;
    ElementType type;

    auto operator<=>(const Key&) const = default;
  };

  std::unique_ptr<AttentionPlan> make(const Key& key);
  void refuse(const std::string& shape, const std::string& why);
  CudnnPlan load_or_make(const CudnnGraph& graph, const CudnnTarget& target) const;

  const CudnnFunctions& cudnn_;
  const PlanFiles files_;
  const Remark remark_;
  mutable std::mutex mutex_;        // also guards the handle
  cudnnHandle_t handle_ = nullptr;  // never destroyed: the driver may be unloaded first at exit
  std::map<Key, std::unique_ptr<AttentionPlan>> plans_;
  std::vector<std::string> refusals_;
};

// Number of samples that a reproducible backward processes at once: a divisor of the batch for
// which cuDNN's scratch, 16-bit (time, time) scores, is at most 256 MiB, or 1.
int64_t repeatable_samples(const AttentionShape& shape);

}  // namespace ripieno::kernels::cuda
