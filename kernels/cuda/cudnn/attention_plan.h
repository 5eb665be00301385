// AttentionPlan: one pass of attention of one shape by a library, which is cuDNN where a build has
// it. Private to kernels/cuda.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cuda/runtime/element_type.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

enum class AttentionPass { kForward, kBackward };

class AttentionPlan {
 public:
  virtual ~AttentionPlan() = default;
  virtual int64_t workspace_bytes() const = 0;
  // Enqueues. memory, each aligned to 16 bytes:
  //   kForward: q, k, v, out, log_sum_exp
  //   kBackward: q, k, v, out, grad_out, log_sum_exp, grad_q, grad_k, grad_v
  // Throws CudaError.
  virtual void run(OnCuda on, std::span<void* const> memory, void* workspace) = 0;
};

// Of the current device. Made at its first use, and kept for as long as the process lives; null
// where there is no library, or it has no plan.
AttentionPlan* attention_plan(AttentionPass pass, const AttentionShape& shape, ElementType type);
// See attention_library.h.
bool has_attention_plans();
std::string describe_attention_plans();

}  // namespace ripieno::kernels::cuda
