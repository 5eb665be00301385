// AttentionPlan: a library's implementation of one pass of attention for one shape. The library is
// cuDNN in builds that have it. Private to kernels/cuda.
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
  // Enqueues the pass. memory, all aligned to 16 bytes:
  //   kForward: q, k, v, out, log_sum_exp
  //   kBackward: q, k, v, out, grad_out, log_sum_exp, grad_q, grad_k, grad_v
  // Returns false if the library has failed, now or earlier: the results are undefined, and
  // built-in kernels must compute them.
  virtual bool run(OnCuda on, std::span<void* const> memory, void* workspace) = 0;
};

// The plan for the current device, created at the first call and kept until the process ends. Null
// if there is no library, or it has no plan for the shape.
AttentionPlan* attention_plan(AttentionPass pass, const AttentionShape& shape, ElementType type);
// See attention_library.h.
bool has_attention_plans();
std::string describe_attention_plans();
void remark_on_attention(const std::string& line);

}  // namespace ripieno::kernels::cuda
