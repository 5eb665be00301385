#include "ripieno/kernels/linear.h"

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels {

template <typename T>
void linear_input_gradient(OnCpu on, T* grad_x, const T* grad_y, const T* weight, const T* before,
                           const LinearShape& shape, Activation activation) {
  matmul(on, grad_x, grad_y, weight,
         {.m = shape.rows,
          .n = shape.inputs,
          .k = shape.outputs,
          .lda = shape.outputs,
          .ldb = shape.inputs,
          .ldc = shape.inputs},
         false);
  activation_backward(on, grad_x, grad_x, before, shape.rows * shape.inputs, activation);
}

template <typename T>
void linear_parameter_gradients(OnCpu on, const LinearGradients<T>& gradients, void* workspace,
                                const T* grad_y, const T* x, const LinearShape& shape) {
  reduce(on, gradients.bias, grad_y, workspace, {1, shape.rows, shape.outputs}, Reduction::kSum,
         1.0, gradients.add_to_bias);
  matmul(on, gradients.weight, grad_y, x,
         {.m = shape.outputs,
          .n = shape.inputs,
          .k = shape.rows,
          .transpose_a = true,
          .lda = shape.outputs,
          .ldb = shape.inputs,
          .ldc = shape.inputs},
         gradients.add_to_weight);
}

template void linear_input_gradient(OnCpu, float*, const float*, const float*, const float*,
                                    const LinearShape&, Activation);
template void linear_input_gradient(OnCpu, double*, const double*, const double*, const double*,
                                    const LinearShape&, Activation);
template void linear_input_gradient(OnCpu, bfloat16*, const bfloat16*, const bfloat16*,
                                    const bfloat16*, const LinearShape&, Activation);
template void linear_input_gradient(OnCpu, float16*, const float16*, const float16*, const float16*,
                                    const LinearShape&, Activation);

template void linear_parameter_gradients(OnCpu, const LinearGradients<float>&, void*, const float*,
                                         const float*, const LinearShape&);
template void linear_parameter_gradients(OnCpu, const LinearGradients<double>&, void*,
                                         const double*, const double*, const LinearShape&);
template void linear_parameter_gradients(OnCpu, const LinearGradients<bfloat16>&, void*,
                                         const bfloat16*, const bfloat16*, const LinearShape&);
template void linear_parameter_gradients(OnCpu, const LinearGradients<float16>&, void*,
                                         const float16*, const float16*, const LinearShape&);

}  // namespace ripieno::kernels
