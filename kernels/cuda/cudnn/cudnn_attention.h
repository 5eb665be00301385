// Causal attention as cuDNN graphs, one for each pass. Private to kernels/cuda.
//
// They are the graphs that cuDNN's frontend builds and that cuDNN's attention engines recognize:
// all steps of the textbook algorithm, in which only q, k, v, out, their gradients and the
// statistics are stored in memory. cuDNN 9.13 and later also have single-operation descriptors, but
// without a causal mask before 9.21.
#pragma once

#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cuda/cudnn/cudnn_graph.h"

namespace ripieno::kernels::cuda {

// Reads q, k, v; writes out and the statistics (log-sum-exp) of each query.
CudnnGraph attention_forward_graph(const CudnnFunctions& cudnn, const AttentionShape& shape,
                                   cudnnDataType_t type);

// Sizes of float buffers that the backward requires in addition to cuDNN's workspace.
struct AttentionSums {
  int64_t products = 0;  // elements: grad_out . out of each query
  int64_t grad_q = 0;    // elements: gradients of q before rounding; 0 if shape.repeatable
};
AttentionSums attention_sums(const AttentionShape& shape);

// Reads q, k, v, out, grad_out, statistics; writes grad_q, grad_k, grad_v. Uses the buffers of
// AttentionSums as scratch.
CudnnGraph attention_backward_graph(const CudnnFunctions& cudnn, const AttentionShape& shape,
                                    cudnnDataType_t type);

}  // namespace ripieno::kernels::cuda
