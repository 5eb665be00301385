// Causal attention as graphs of cuDNN's: one a pass. Private to kernels/cuda.
//
// The graphs are those that cuDNN's frontend composes and cuDNN's attention engines recognize:
// every step of the textbook, of which only q, k, v, out, their gradients and statistics exist in
// memory. The single-operation descriptors of cuDNN 9.13 and later know no causal mask before 9.21.
#pragma once

#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cuda/cudnn/cudnn_graph.h"

namespace ripieno::kernels::cuda {

// Reads q, k, v; writes out and the statistics (log-sum-exp) of each query.
CudnnGraph attention_forward_graph(const CudnnFunctions& cudnn, const AttentionShape& shape,
                                   cudnnDataType_t type);

// Memory of a backward beside its tensors: float sums that cuDNN wants outside its workspace.
struct AttentionSums {
  int64_t products = 0;  // numbers: grad_out . out of each query
  int64_t grad_q = 0;    // numbers: gradients of q before they are rounded; 0 where repeatable
};
AttentionSums attention_sums(const AttentionShape& shape);

// Reads q, k, v, out, grad_out, statistics; writes grad_q, grad_k, grad_v; products and, where not
// repeatable, grad_q's sums are scratch.
CudnnGraph attention_backward_graph(const CudnnFunctions& cudnn, const AttentionShape& shape,
                                    cudnnDataType_t type);

}  // namespace ripieno::kernels::cuda
