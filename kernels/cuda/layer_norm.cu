#include "ripieno/kernels/cuda/layer_norm_wide.cuh"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/layer_norm.h"

namespace ripieno::kernels {
namespace {

template <typename T>
void backward(OnCuda on, const LayerNormBackwardArguments<T>& to,
              const cuda::LayerNormBackward<T>& norm) {
  const bool is_wide = norm.cols > cuda::kMaxColumns<T>;
  const int64_t chunks =
      is_wide ? cuda::launch_wide_backward(on, norm) : cuda::launch_layer_norm_backward(on, norm);
  if (norm.partials) {
    cuda::add_layer_norm_chunks(on, to.grad_weight, to.grad_bias, norm.partials, norm.cols, chunks,
                                to.accumulate);
  }
}

}  // namespace

template <typename T>
void layer_norm_forward(OnCuda on, const LayerNormForwardArguments<T>& norm) {
  const cuda::LayerNormForward<T> kernel{
      norm.out,  nullptr,   norm.mean,    norm.inverse_deviation,
      norm.in,   nullptr,   norm.weight,  norm.bias,
      norm.rows, norm.cols, norm.epsilon, cuda::Dropping<T>(DropoutMask{}),
      false};
  if (norm.cols > cuda::kMaxColumns<T>) return cuda::launch_wide_forward(on, kernel);
  cuda::launch_layer_norm_forward(on, kernel);
}

template <typename T>
void residual_norm_forward(OnCuda on, const ResidualNormForwardArguments<T>& norm) {
  const bool drops = norm.mask.probability > 0;
  if (norm.cols > cuda::kMaxColumns<T>) {
    const int64_t size = norm.rows * norm.cols;
    if (drops) dropout(on, norm.out, norm.branch, size, norm.mask);
    binary(on, norm.sum, norm.x, drops ? norm.out : norm.branch, size, Binary::kAdd);
    return layer_norm_forward(on, LayerNormForwardArguments<T>{
                                      norm.out, norm.mean, norm.inverse_deviation, norm.sum,
                                      norm.weight, norm.bias, norm.rows, norm.cols, norm.epsilon});
  }
  cuda::launch_layer_norm_forward(
      on, cuda::LayerNormForward<T>{norm.out, norm.sum, norm.mean, norm.inverse_deviation, norm.x,
                                    norm.branch, norm.weight, norm.bias, norm.rows, norm.cols,
                                    norm.epsilon, cuda::Dropping<T>(norm.mask), drops});
}

template <typename T>
void layer_norm_backward(OnCuda on, const LayerNormBackwardArguments<T>& norm) {
  residual_norm_backward(on, ResidualNormBackwardArguments<T>{norm});
}

template <typename T>
void residual_norm_backward(OnCuda on, const ResidualNormBackwardArguments<T>& residual) {
  const LayerNormBackwardArguments<T>& norm = residual.norm;
  auto* const partials =
      norm.grad_weight ? static_cast<accumulator_t<T>*>(norm.workspace) : nullptr;
  backward(on, norm,
           cuda::LayerNormBackward<T>{norm.grad_in, residual.grad_branch, partials, norm.grad_out,
                                      norm.in, norm.weight, norm.mean, norm.inverse_deviation,
                                      norm.accumulate.in, norm.rows, norm.cols, 0,
                                      cuda::Dropping<T>(residual.mask)});
  if (residual.grad_branch && norm.cols > cuda::kMaxColumns<T>) {
    dropout(on, residual.grad_branch, static_cast<const T*>(norm.grad_in), norm.rows * norm.cols,
            residual.mask);
  }
}

template void layer_norm_forward(OnCuda, const LayerNormForwardArguments<float>&);
template void layer_norm_forward(OnCuda, const LayerNormForwardArguments<double>&);
template void layer_norm_forward(OnCuda, const LayerNormForwardArguments<bfloat16>&);
template void layer_norm_forward(OnCuda, const LayerNormForwardArguments<float16>&);

template void residual_norm_forward(OnCuda, const ResidualNormForwardArguments<float>&);
template void residual_norm_forward(OnCuda, const ResidualNormForwardArguments<double>&);
template void residual_norm_forward(OnCuda, const ResidualNormForwardArguments<bfloat16>&);
template void residual_norm_forward(OnCuda, const ResidualNormForwardArguments<float16>&);

template void layer_norm_backward(OnCuda, const LayerNormBackwardArguments<float>&);
template void layer_norm_backward(OnCuda, const LayerNormBackwardArguments<double>&);
template void layer_norm_backward(OnCuda, const LayerNormBackwardArguments<bfloat16>&);
template void layer_norm_backward(OnCuda, const LayerNormBackwardArguments<float16>&);

template void residual_norm_backward(OnCuda, const ResidualNormBackwardArguments<float>&);
template void residual_norm_backward(OnCuda, const ResidualNormBackwardArguments<double>&);
template void residual_norm_backward(OnCuda, const ResidualNormBackwardArguments<bfloat16>&);
template void residual_norm_backward(OnCuda, const ResidualNormBackwardArguments<float16>&);

}  // namespace ripieno::kernels
