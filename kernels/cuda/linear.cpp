#include "ripieno/kernels/linear.h"

#include <functional>

#include "ripieno/kernels/cuda/products/products.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels {

template <typename T>
void linear_input_gradient(OnCuda on, T* grad_x, const T* grad_y, const T* weight, const T* before,
                           const LinearShape& shape, Activation activation) {
  const MatmulShape product{.m = shape.rows,
                            .n = shape.inputs,
                            .k = shape.outputs,
                            .lda = shape.outputs,
                            .ldb = shape.inputs,
                            .ldc = shape.inputs};
  const cuda::ProductProblem problem{.matrices = cuda::column_major(product),
                                     .types = cuda::types_of<T>(),
                                     .epilogue = cuda::Epilogue::kGeluGradient};
  const cuda::Operands operands{.result = grad_x,
                                .left = weight,
                                .right = grad_y,
                                .before_activation = const_cast<T*>(before)};
  const int64_t size = shape.rows * shape.inputs;
  if (size == 0 || shape.outputs == 0) {
    matmul(on, grad_x, grad_y, weight, product, false);
    return;
  }
  const auto in_steps = [&](cuda::Products& products, OnCuda run_on, const cuda::Operands& o) {
    products.multiply(run_on, cuda::without_epilogue(problem), cuda::without_epilogue(o));
    auto* const grad = static_cast<T*>(o.result);
    activation_backward(run_on, grad, grad, static_cast<const T*>(o.before_activation), size,
                        activation);
  };
  if (activation == Activation::kGeluTanh) {
    cuda::products().multiply(on, problem, operands, std::cref(in_steps));
  } else {
    in_steps(cuda::products(), on, operands);
  }
}

template <typename T>
void linear_parameter_gradients(OnCuda on, const LinearGradients<T>& gradients, void* workspace,
                                const T* grad_y, const T* x, const LinearShape& shape) {
  const MatmulShape product{.m = shape.outputs,
                            .n = shape.inputs,
                            .k = shape.rows,
                            .transpose_a = true,
                            .lda = shape.outputs,
                            .ldb = shape.inputs,
                            .ldc = shape.inputs};
  const cuda::ProductProblem problem{.matrices = cuda::column_major(product),
                                     .types = cuda::types_of<T>(),
                                     .epilogue = cuda::Epilogue::kBiasGradient,
                                     .accumulate = gradients.add_to_weight};
  const cuda::Operands operands{
      .result = gradients.weight, .left = x, .right = grad_y, .bias = gradients.bias};
  if (shape.outputs * shape.inputs * shape.rows == 0) {
    reduce(on, gradients.bias, grad_y, workspace, {1, shape.rows, shape.outputs}, Reduction::kSum,
           1.0, gradients.add_to_bias);
    matmul(on, gradients.weight, grad_y, x, product, gradients.add_to_weight);
    return;
  }
  const auto in_steps = [&](cuda::Products& products, OnCuda run_on, const cuda::Operands& o) {
    reduce(run_on, static_cast<T*>(o.bias), static_cast<const T*>(o.right), workspace,
           {1, shape.rows, shape.outputs}, Reduction::kSum, 1.0, gradients.add_to_bias);
    products.multiply(run_on, cuda::without_epilogue(problem), cuda::without_epilogue(o));
  };
  // The library can only overwrite the bias gradient, not add to it.
  if (gradients.add_to_bias) {
    in_steps(cuda::products(), on, operands);
  } else {
    cuda::products().multiply(on, problem, operands, std::cref(in_steps));
  }
}

template void linear_input_gradient(OnCuda, float*, const float*, const float*, const float*,
                                    const LinearShape&, Activation);
template void linear_input_gradient(OnCuda, double*, const double*, const double*, const double*,
                                    const LinearShape&, Activation);
template void linear_input_gradient(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                    const bfloat16*, const LinearShape&, Activation);
template void linear_input_gradient(OnCuda, float16*, const float16*, const float16*,
                                    const float16*, const LinearShape&, Activation);

template void linear_parameter_gradients(OnCuda, const LinearGradients<float>&, void*, const float*,
                                         const float*, const LinearShape&);
template void linear_parameter_gradients(OnCuda, const LinearGradients<double>&, void*,
                                         const double*, const double*, const LinearShape&);
template void linear_parameter_gradients(OnCuda, const LinearGradients<bfloat16>&, void*,
                                         const bfloat16*, const bfloat16*, const LinearShape&);
template void linear_parameter_gradients(OnCuda, const LinearGradients<float16>&, void*,
                                         const float16*, const float16*, const LinearShape&);

}  // namespace ripieno::kernels
