#include "ripieno/kernels/cuda/cudnn/cudnn_plans.h"

#include <mutex>
#include <sstream>

#include "ripieno/kernels/cuda/cudnn/cudnn_attention.h"

namespace ripieno::kernels::cuda {
namespace {

constexpr int64_t kMostScratch = int64_t{256} << 20;

int64_t round_up(int64_t size, int64_t to) { return (size + to - 1) / to * to; }

cudnnDataType_t data_type(ElementType type) {
  return type == ElementType::kBFloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF;
}

// Bytes per sample of each tensor, in the order of AttentionPlan::run().
std::vector<int64_t> bytes_per_sample(AttentionPass pass, const AttentionShape& shape) {
  constexpr int64_t kElement = 2, kStatistic = 4;
  const int64_t qkv = shape.qkv_batch_stride * kElement;
  const int64_t out = shape.time * shape.heads * shape.head_size * kElement;
  const int64_t statistics = shape.heads * shape.time * kStatistic;
  if (pass == AttentionPass::kForward) return {qkv, qkv, qkv, out, statistics};
  return {qkv, qkv, qkv, out, out, statistics, qkv, qkv, qkv};
}

std::string describe(AttentionPass pass, const AttentionShape& shape) {
  std::ostringstream text;
  text << (pass == AttentionPass::kForward ? "forward" : "backward") << " (batch " << shape.batch
       << ", time " << shape.time << ", heads " << shape.heads << ", head size " << shape.head_size
       << ')';
  return text.str();
}

// One plan, run several times to cover all samples.
class CudnnAttention : public AttentionPlan {
 public:
  // on_failure is called with the reason, at most once, while `mutex` is locked.
  CudnnAttention(std::function<void(const std::string&)> on_failure, const CudnnFunctions& cudnn,
                 std::mutex& mutex, cudnnHandle_t handle, CudnnPlan plan,
                 std::vector<int64_t> steps, int64_t rounds, AttentionSums sums)
      : on_failure_(std::move(on_failure)),
        cudnn_(cudnn),
        mutex_(mutex),
        handle_(handle),
        plan_(std::move(plan)),
        steps_(std::move(steps)),
        rounds_(rounds),
        sums_(sums) {}

  int64_t workspace_bytes() const override {
    return products_at() + bytes_of(sums_.products) + bytes_of(sums_.grad_q);
  }

  bool run(OnCuda on, std::span<void* const> memory, void* workspace) override {
    auto* const scratch = static_cast<unsigned char*>(workspace);
    std::vector<void*> pointers(memory.begin(), memory.end());
    if (sums_.products > 0) pointers.push_back(scratch + products_at());
    if (sums_.grad_q > 0) pointers.push_back(scratch + products_at() + bytes_of(sums_.products));
    const std::lock_guard lock(mutex_);  // the handle's stream must not change meanwhile
    if (has_failed_) return false;
    try {
      run_rounds(on, pointers, workspace);
    } catch (const CudaError& error) {
      has_failed_ = true;
      on_failure_(error.what());
    }
    return !has_failed_;
  }

 private:
  void run_rounds(OnCuda on, std::vector<void*>& pointers, void* workspace) {
    check_cudnn(cudnn_, cudnn_.set_stream(handle_, on.stream), "cudnnSetStream");
    for (int64_t round = 0; round < rounds_; ++round) {
      plan_.run(handle_, pointers, workspace);
      for (std::size_t i = 0; i < steps_.size(); ++i) {
        pointers[i] = static_cast<unsigned char*>(pointers[i]) + steps_[i];
      }
    }
  }

  static int64_t bytes_of(int64_t floats) { return round_up(floats * 4, 256); }
  int64_t products_at() const { return round_up(plan_.workspace_bytes(), 256); }

  const std::function<void(const std::string&)> on_failure_;
  const CudnnFunctions& cudnn_;
  std::mutex& mutex_;
  cudnnHandle_t handle_;
  CudnnPlan plan_;
  std::vector<int64_t> steps_;  // bytes by which each pointer advances per round
  int64_t rounds_;
  AttentionSums sums_;
  bool has_failed_ = false;
};

// Why cuDNN's documentation excludes the shape, so that a costly attempt can be saved. Empty if it
// does not.
const char* exclusion_of(const AttentionShape& shape) {
  if (shape.head_size % 8 != 0 || shape.head_size > 256)
    return "cuDNN requires a head size that is a multiple of 8, at most 256";
  if (shape.qkv_time_stride % 8 != 0 || shape.qkv_batch_stride % 8 != 0)
    return "cuDNN requires strides that are multiples of 8 elements";
  return shape.time < 2 ? "cuDNN requires at least 2 positions" : "";
}

}  // namespace

int64_t repeatable_samples(const AttentionShape& shape) {
  const int64_t time = round_up(shape.time, 128);
  const int64_t of_sample = shape.heads * time * time * 2;
  int64_t samples = shape.batch;
  while (samples > 1 && (shape.batch % samples != 0 || samples * of_sample > kMostScratch)) {
    --samples;
  }
  return samples;
}

CudnnPlan CudnnPlans::load_or_make(const CudnnGraph& graph, const CudnnTarget& target) const {
  if (const auto text = files_.read(graph.description())) {
    try {
      return graph.plan_from(*text, target);
    } catch (const CudaError&) {  // cuDNN rejected it: perhaps another build of the same version
    }
  }
  CudnnPlan plan = graph.plan(target);
  files_.write(graph.description(), plan.text());
  return plan;
}

std::unique_ptr<AttentionPlan> CudnnPlans::make(const Key& key) {
  if (!handle_) check_cudnn(cudnn_, cudnn_.create(&handle_), "cudnnCreate");
  const CudnnTarget target{handle_, nullptr};
  const bool forward = key.pass == AttentionPass::kForward;
  AttentionShape round_shape = key.shape;
  if (!forward && key.shape.repeatable) round_shape.batch = repeatable_samples(key.shape);
  const CudnnGraph graph = forward
                               ? attention_forward_graph(cudnn_, round_shape, data_type(key.type))
                               : attention_backward_graph(cudnn_, round_shape, data_type(key.type));
  CudnnPlan plan = load_or_make(graph, target);
  std::vector<int64_t> steps = bytes_per_sample(key.pass, round_shape);
  for (int64_t& step : steps) step *= round_shape.batch;
  const auto on_failure = [this, name = describe(key.pass, key.shape)](const std::string& why) {
    refuse(name, why);
  };
  return std::make_unique<CudnnAttention>(on_failure, cudnn_, mutex_, handle_, std::move(plan),
                                          std::move(steps), key.shape.batch / round_shape.batch,
                                          forward ? AttentionSums{} : attention_sums(round_shape));
}

// With mutex_ locked.
void CudnnPlans::refuse(const std::string& shape, const std::string& why) {
  refusals_.push_back(shape + ": " + why);
  if (remark_) {
    remark_("warning: attention is computed by built-in kernels, which is slower: " +
            refusals_.back());
  }
}

AttentionPlan* CudnnPlans::plan(AttentionPass pass, const AttentionShape& shape, ElementType type) {
  const bool of_16_bits = type == ElementType::kBFloat16 || type == ElementType::kFloat16;
  if (!of_16_bits || shape.batch < 1 || shape.heads < 1) return nullptr;
  const std::lock_guard lock(mutex_);
  Key key{pass, shape, type};
  if (pass == AttentionPass::kForward) key.shape.repeatable = false;  // it always is: one plan
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second.get();
  auto& plan = plans_[key];  // stays null if cuDNN has no plan
  const std::string exclusion = exclusion_of(shape);
  try {
    if (exclusion.empty()) plan = make(key);
  } catch (const CudaError& error) {
    refuse(describe(pass, shape), error.what());
  }
  if (!exclusion.empty()) refuse(describe(pass, shape), exclusion);
  return plan.get();
}

std::vector<std::string> CudnnPlans::refusals() const {
  const std::lock_guard lock(mutex_);
  return refusals_;
}

}  // namespace ripieno::kernels::cuda
