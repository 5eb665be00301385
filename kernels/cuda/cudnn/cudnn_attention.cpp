#include "ripieno/kernels/cuda/cudnn/cudnn_attention.h"

#include <limits>
#include <utility>

namespace ripieno::kernels::cuda {
namespace {

// Dimensions and strides of all tensors, as (batch, head, time, channel) or, transposed, (batch,
// head, channel, time).
struct Layout {
  Dimensions heads, strided, dense;                     // sizes; strides of q, k, v; strides of out
  Dimensions transposed_heads, transposed_strided;      // sizes and strides of k, v
  Dimensions rows, row_strides, scores, score_strides;  // (…, time, 1), (…, time, time)

  explicit Layout(const AttentionShape& s)
      : heads{s.batch, s.heads, s.time, s.head_size},
        strided{s.qkv_batch_stride, s.head_size, s.qkv_time_stride, 1},
        dense{s.time * s.heads * s.head_size, s.head_size, s.heads * s.head_size, 1},
        transposed_heads{s.batch, s.heads, s.head_size, s.time},
        transposed_strided{s.qkv_batch_stride, s.head_size, 1, s.qkv_time_stride},
        rows{s.batch, s.heads, s.time, 1},
        row_strides{s.heads * s.time, s.time, 1, 1},
        scores{s.batch, s.heads, s.time, s.time},
        score_strides{s.heads * s.time * s.time, s.time * s.time, s.time, 1} {}
};

CudnnTensor scaled_scores(CudnnGraph& graph, const Layout& at, const CudnnTensor& q,
                          const CudnnTensor& k_transposed, const CudnnTensor& scale) {
  const CudnnTensor scores = graph.virtual_tensor(at.scores, at.score_strides);
  graph.matmul(scores, q, k_transposed);
  return graph.pointwise(CUDNN_POINTWISE_MUL, scores, scale);
}

// Scores, with -infinity for keys that come after their query.
CudnnTensor masked(CudnnGraph& graph, const CudnnTensor& scores) {
  const CudnnTensor query = graph.index(scores, 2), key = graph.index(scores, 3);
  const CudnnTensor seen =
      graph.virtual_tensor(scores.dimensions, scores.strides, CUDNN_DATA_BOOLEAN);
  graph.pointwise_into(seen, CUDNN_POINTWISE_CMP_GE, query, &key);
  const CudnnTensor lowest = graph.scalar(-std::numeric_limits<float>::infinity());
  const CudnnTensor result = graph.virtual_tensor(scores.dimensions, scores.strides);
  graph.pointwise_into(result, CUDNN_POINTWISE_BINARY_SELECT, scores, &lowest, &seen);
  return result;
}

// Returns probabilities in `type`; writes statistics = log(sum(exp(scores))).
CudnnTensor softmax(CudnnGraph& graph, const Layout& at, const CudnnTensor& scores,
                    const CudnnTensor& statistics, cudnnDataType_t type) {
  const CudnnTensor largest = graph.virtual_tensor(at.rows, at.row_strides);
  graph.reduce(CUDNN_REDUCE_TENSOR_MAX, largest, scores);
  const CudnnTensor shifted = graph.pointwise(CUDNN_POINTWISE_SUB, scores, largest);
  const CudnnTensor exponentials = graph.pointwise(CUDNN_POINTWISE_EXP, shifted);
  const CudnnTensor sums = graph.virtual_tensor(at.rows, at.row_strides);
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, sums, exponentials);
  const CudnnTensor logarithms = graph.pointwise(CUDNN_POINTWISE_LOG, sums);
  graph.pointwise_into(statistics, CUDNN_POINTWISE_ADD, largest, &logarithms);
  const CudnnTensor probabilities = graph.virtual_tensor(at.scores, at.score_strides, type);
  graph.pointwise_into(probabilities, CUDNN_POINTWISE_DIV, exponentials, &sums);
  return probabilities;
}

}  // namespace

CudnnGraph attention_forward_graph(const CudnnFunctions& cudnn, const AttentionShape& shape,
                                   cudnnDataType_t type) {
  const Layout at(shape);
  CudnnGraph graph(cudnn);
  const CudnnTensor q = graph.tensor(at.heads, at.strided, type);
  const CudnnTensor k = graph.tensor(at.transposed_heads, at.transposed_strided, type);
  const CudnnTensor v = graph.tensor(at.heads, at.strided, type);
  const CudnnTensor out = graph.tensor(at.heads, at.dense, type);
  const CudnnTensor statistics = graph.tensor(at.rows, at.row_strides, CUDNN_DATA_FLOAT);
  const CudnnTensor scale = graph.scalar(static_cast<float>(shape.scale));
  const CudnnTensor scores = masked(graph, scaled_scores(graph, at, q, k, scale));
  graph.matmul(out, softmax(graph, at, scores, statistics, type), v);
  return graph;
}

AttentionSums attention_sums(const AttentionShape& shape) {
  const int64_t queries = shape.batch * shape.heads * shape.time;
  return {queries, shape.repeatable ? 0 : queries * shape.head_size};
}

CudnnGraph attention_backward_graph(const CudnnFunctions& cudnn, const AttentionShape& shape,
                                    cudnnDataType_t type) {
  const Layout at(shape);
  CudnnGraph graph(cudnn);
  const CudnnTensor q = graph.tensor(at.heads, at.strided, type);
  const CudnnTensor k = graph.tensor(at.transposed_heads, at.transposed_strided, type);
  const CudnnTensor v = graph.tensor(at.transposed_heads, at.transposed_strided, type);
  const CudnnTensor out = graph.tensor(at.heads, at.dense, type);
  const CudnnTensor grad_out = graph.tensor(at.heads, at.dense, type);
  const CudnnTensor statistics = graph.tensor(at.rows, at.row_strides, CUDNN_DATA_FLOAT);
  const CudnnTensor grad_q = graph.tensor(at.heads, at.strided, type);
  const CudnnTensor grad_k = graph.tensor(at.heads, at.strided, type);
  const CudnnTensor grad_v = graph.tensor(at.heads, at.strided, type);
  const CudnnTensor products = graph.tensor(at.rows, at.row_strides, CUDNN_DATA_FLOAT);
  const CudnnTensor scale = graph.scalar(static_cast<float>(shape.scale));
  const CudnnTensor one = graph.scalar(1.0f);

  // products = grad_out . out. Engines require a multiplication here, for dropout; its factor is 1.
  const CudnnTensor of_channels = graph.virtual_tensor(at.heads, at.dense);
  graph.pointwise_into(of_channels, CUDNN_POINTWISE_MUL, grad_out, &out);
  const CudnnTensor summed = graph.virtual_tensor(at.rows, at.row_strides);
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, summed, of_channels);
  graph.pointwise_into(products, CUDNN_POINTWISE_MUL, summed, &one);

  const CudnnTensor scores = scaled_scores(graph, at, q, k, scale);
  const CudnnTensor shifted = graph.pointwise(CUDNN_POINTWISE_SUB, scores, statistics);
  const CudnnTensor probabilities = graph.pointwise(CUDNN_POINTWISE_EXP, masked(graph, shifted));
  graph.matmul(grad_v, graph.transpose(probabilities, type), grad_out);

  const CudnnTensor changes = graph.virtual_tensor(at.scores, at.score_strides);
  graph.matmul(changes, grad_out, v);
  const CudnnTensor centred = graph.pointwise(CUDNN_POINTWISE_SUB, changes, products);
  const CudnnTensor weighted = graph.pointwise(CUDNN_POINTWISE_MUL, centred, probabilities);
  const CudnnTensor grad_scores = graph.pointwise(CUDNN_POINTWISE_MUL, weighted, scale);
  graph.matmul(grad_k, graph.transpose(grad_scores, type), q);

  const CudnnTensor keys = graph.transpose(k, type);
  if (shape.repeatable) {
    graph.matmul(grad_q, grad_scores, keys);
  } else {
    const Dimensions packed{shape.heads * shape.time * shape.head_size,
                            shape.time * shape.head_size, shape.head_size, 1};
    const CudnnTensor sums = graph.tensor(at.heads, packed, CUDNN_DATA_FLOAT);
    graph.matmul(sums, grad_scores, keys);
    graph.pointwise_into(grad_q, CUDNN_POINTWISE_IDENTITY, sums);
  }
  return graph;
}

}  // namespace ripieno::kernels::cuda
