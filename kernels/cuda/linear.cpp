#include "ripieno/kernels/linear.h"

#include <functional>

#include "ripieno/kernels/cuda/products.h"
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
  const int64_t size = shape.rows * shape.inputs;
  if (activation != Activation::kGeluTanh || size == 0 || shape.outputs == 0) {
    matmul(on, grad_x, grad_y, weight, product, false);
    activation_backward(on, grad_x, grad_x, before, size, activation);
    return;
  }
  const auto finish = [size](OnCuda there, const cuda::Operands& operands) {
    auto* const grad = static_cast<T*>(operands.result);
    activation_backward(there, grad, grad, static_cast<const T*>(operands.before_activation), size,
                        Activation::kGeluTanh);
  };
  cuda::multiply(on,
                 {.matrices = cuda::column_major(product),
                  .types = cuda::types_of<T>(),
                  .epilogue = cuda::Epilogue::kGeluGradient},
                 {.result = grad_x,
                  .left = weight,
                  .right = grad_y,
                  .before_activation = const_cast<T*>(before)},
                 std::cref(finish));
}

template <typename T>
void linear_parameter_gradients(OnCuda on, T* grad_weight, T* grad_bias, const T* grad_y,
                                const T* x, const LinearShape& shape, bool add_to_weight,
                                bool add_to_bias) {
  const MatmulShape product{.m = shape.outputs,
                            .n = shape.inputs,
                            .k = shape.rows,
                            .transpose_a = true,
                            .lda = shape.outputs,
                            .ldb = shape.inputs,
                            .ldc = shape.inputs};
  // The library writes a bias gradient, and cannot add to one.
  if (add_to_bias || shape.outputs * shape.inputs * shape.rows == 0) {
    reduce(on, grad_bias, grad_y, 1, shape.rows, shape.outputs, Reduction::kSum, 1.0, add_to_bias);
    matmul(on, grad_weight, grad_y, x, product, add_to_weight);
    return;
  }
  const auto finish = [&shape](OnCuda there, const cuda::Operands& operands) {
    reduce(there, static_cast<T*>(operands.bias), static_cast<const T*>(operands.right), 1,
           shape.rows, shape.outputs, Reduction::kSum, 1.0, false);
  };
  cuda::multiply(on,
                 {.matrices = cuda::column_major(product),
                  .types = cuda::types_of<T>(),
                  .epilogue = cuda::Epilogue::kBiasGradient,
                  .accumulate = add_to_weight},
                 {.result = grad_weight, .left = x, .right = grad_y, .bias = grad_bias},
                 std::cref(finish));
}

template void linear_input_gradient(OnCuda, float*, const float*, const float*, const float*,
                                    const LinearShape&, Activation);
template void linear_input_gradient(OnCuda, double*, const double*, const double*, const double*,
                                    const LinearShape&, Activation);
template void linear_input_gradient(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                                    const bfloat16*, const LinearShape&, Activation);
template void linear_input_gradient(OnCuda, float16*, const float16*, const float16*,
                                    const float16*, const LinearShape&, Activation);

template void linear_parameter_gradients(OnCuda, float*, float*, const float*, const float*,
                                         const LinearShape&, bool, bool);
template void linear_parameter_gradients(OnCuda, double*, double*, const double*, const double*,
                                         const LinearShape&, bool, bool);
template void linear_parameter_gradients(OnCuda, bfloat16*, bfloat16*, const bfloat16*,
                                         const bfloat16*, const LinearShape&, bool, bool);
template void linear_parameter_gradients(OnCuda, float16*, float16*, const float16*, const float16*,
                                         const LinearShape&, bool, bool);

}  // namespace ripieno::kernels
