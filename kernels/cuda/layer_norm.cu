#include "ripieno/kernels/cuda/layer_norm_wide.cuh"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/layer_norm.h"

namespace ripieno::kernels {
namespace {

template <typename T>
void backward(OnCuda on, T* grad_weight, T* grad_bias, const cuda::LayerNormBackward<T>& norm,
              LayerNormAccumulate accumulate) {
  const bool is_wide = norm.cols > cuda::kMostColumns<T>;
  const int64_t chunks =
      is_wide ? cuda::launch_wide_backward(on, norm) : cuda::launch_layer_norm_backward(on, norm);
  if (norm.partials) {
    cuda::add_layer_norm_chunks(on, grad_weight, grad_bias, norm.partials, norm.cols, chunks,
                                accumulate);
  }
}

}  // namespace

template <typename T>
void layer_norm_forward(OnCuda on, T* out, accumulator_t<T>* mean,
                        accumulator_t<T>* inverse_deviation, const T* in, const T* weight,
                        const T* bias, int64_t rows, int64_t cols, double epsilon) {
  const cuda::LayerNormForward<T> norm{out,  nullptr, mean,    inverse_deviation,
                                       in,   nullptr, weight,  bias,
                                       rows, cols,    epsilon, cuda::Dropping<T>(DropoutMask{}),
                                       false};
  if (cols > cuda::kMostColumns<T>) return cuda::launch_wide_forward(on, norm);
  cuda::launch_layer_norm_forward(on, norm);
}

template <typename T>
void residual_norm_forward(OnCuda on, T* out, T* sum, accumulator_t<T>* mean,
                           accumulator_t<T>* inverse_deviation, const T* x, const T* branch,
                           const DropoutMask& mask, const T* weight, const T* bias, int64_t rows,
                           int64_t cols, double epsilon) {
  const bool drops = mask.probability > 0;
  if (cols > cuda::kMostColumns<T>) {
    if (drops) dropout(on, out, branch, rows * cols, mask);
    binary(on, sum, x, drops ? out : branch, rows * cols, Binary::kAdd);
    return layer_norm_forward(on, out, mean, inverse_deviation, static_cast<const T*>(sum), weight,
                              bias, rows, cols, epsilon);
  }
  cuda::launch_layer_norm_forward(
      on, cuda::LayerNormForward<T>{out, sum, mean, inverse_deviation, x, branch, weight, bias,
                                    rows, cols, epsilon, cuda::Dropping<T>(mask), drops});
}

template <typename T>
void layer_norm_backward(OnCuda on, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, LayerNormAccumulate accumulate) {
  residual_norm_backward(on, grad_in, static_cast<T*>(nullptr), grad_weight, grad_bias, workspace,
                         grad_out, in, DropoutMask{}, weight, mean, inverse_deviation, rows, cols,
                         accumulate);
}

template <typename T>
void residual_norm_backward(OnCuda on, T* grad_sum, T* grad_branch, T* grad_weight, T* grad_bias,
                            void* workspace, const T* grad_out, const T* sum,
                            const DropoutMask& mask, const T* weight, const accumulator_t<T>* mean,
                            const accumulator_t<T>* inverse_deviation, int64_t rows, int64_t cols,
                            LayerNormAccumulate accumulate) {
  auto* const partials = grad_weight ? static_cast<accumulator_t<T>*>(workspace) : nullptr;
  backward(on, grad_weight, grad_bias,
           cuda::LayerNormBackward<T>{grad_sum, grad_branch, partials, grad_out, sum, weight, mean,
                                      inverse_deviation, accumulate.in, rows, cols, 0,
                                      cuda::Dropping<T>(mask)},
           accumulate);
  if (grad_branch && cols > cuda::kMostColumns<T>) {
    dropout(on, grad_branch, static_cast<const T*>(grad_sum), rows * cols, mask);
  }
}

template void layer_norm_forward(OnCuda, float*, float*, float*, const float*, const float*,
                                 const float*, int64_t, int64_t, double);
template void layer_norm_forward(OnCuda, double*, double*, double*, const double*, const double*,
                                 const double*, int64_t, int64_t, double);
template void layer_norm_forward(OnCuda, bfloat16*, float*, float*, const bfloat16*,
                                 const bfloat16*, const bfloat16*, int64_t, int64_t, double);
template void layer_norm_forward(OnCuda, float16*, float*, float*, const float16*, const float16*,
                                 const float16*, int64_t, int64_t, double);

template void residual_norm_forward(OnCuda, float*, float*, float*, float*, const float*,
                                    const float*, const DropoutMask&, const float*, const float*,
                                    int64_t, int64_t, double);
template void residual_norm_forward(OnCuda, double*, double*, double*, double*, const double*,
                                    const double*, const DropoutMask&, const double*, const double*,
                                    int64_t, int64_t, double);
template void residual_norm_forward(OnCuda, bfloat16*, bfloat16*, float*, float*, const bfloat16*,
                                    const bfloat16*, const DropoutMask&, const bfloat16*,
                                    const bfloat16*, int64_t, int64_t, double);
template void residual_norm_forward(OnCuda, float16*, float16*, float*, float*, const float16*,
                                    const float16*, const DropoutMask&, const float16*,
                                    const float16*, int64_t, int64_t, double);

template void layer_norm_backward(OnCuda, float*, float*, float*, void*, const float*, const float*,
                                  const float*, const float*, const float*, int64_t, int64_t,
                                  LayerNormAccumulate);
template void layer_norm_backward(OnCuda, double*, double*, double*, void*, const double*,
                                  const double*, const double*, const double*, const double*,
                                  int64_t, int64_t, LayerNormAccumulate);
template void layer_norm_backward(OnCuda, bfloat16*, bfloat16*, bfloat16*, void*, const bfloat16*,
                                  const bfloat16*, const bfloat16*, const float*, const float*,
                                  int64_t, int64_t, LayerNormAccumulate);
template void layer_norm_backward(OnCuda, float16*, float16*, float16*, void*, const float16*,
                                  const float16*, const float16*, const float*, const float*,
                                  int64_t, int64_t, LayerNormAccumulate);

template void residual_norm_backward(OnCuda, float*, float*, float*, float*, void*, const float*,
                                     const float*, const DropoutMask&, const float*, const float*,
                                     const float*, int64_t, int64_t, LayerNormAccumulate);
template void residual_norm_backward(OnCuda, double*, double*, double*, double*, void*,
                                     const double*, const double*, const DropoutMask&,
                                     const double*, const double*, const double*, int64_t, int64_t,
                                     LayerNormAccumulate);
template void residual_norm_backward(OnCuda, bfloat16*, bfloat16*, bfloat16*, bfloat16*, void*,
                                     const bfloat16*, const bfloat16*, const DropoutMask&,
                                     const bfloat16*, const float*, const float*, int64_t, int64_t,
                                     LayerNormAccumulate);
template void residual_norm_backward(OnCuda, float16*, float16*, float16*, float16*, void*,
                                     const float16*, const float16*, const DropoutMask&,
                                     const float16*, const float*, const float*, int64_t, int64_t,
                                     LayerNormAccumulate);

}  // namespace ripieno::kernels
