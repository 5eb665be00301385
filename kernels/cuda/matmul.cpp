#include "ripieno/kernels/matmul.h"

#include <functional>
#include <optional>

#include "ripieno/kernels/cuda/matmul_epilogue.h"
#include "ripieno/kernels/cuda/products.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {
namespace {

template <typename C, typename T>
void multiply(OnCuda on, C* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate) {
  if (shape.m == 0 || shape.n == 0 || shape.batch == 0) return;
  if (shape.k == 0) {
    if (!accumulate) cuda::zero_product(on, c, shape);
    return;
  }
  cuda::multiply(on,
                 {.matrices = cuda::column_major(shape),
                  .types = cuda::types_of<T, C>(),
                  .accumulate = accumulate},
                 {.result = c, .left = b, .right = a});
}

// What the library can do on the way out. Its ReLU makes 0 of NaN, and its GELU is by tanh: the
// other activations are a kernel of our own.
std::optional<cuda::Epilogue> epilogue_for(bool bias, bool kept, Activation activation) {
  using cuda::Epilogue;
  if (activation == Activation::kNone && !kept) return bias ? Epilogue::kBias : Epilogue::kNone;
  if (activation != Activation::kGeluTanh) return std::nullopt;
  if (kept) return bias ? Epilogue::kGeluBiasKept : Epilogue::kGeluKept;
  return bias ? Epilogue::kGeluBias : Epilogue::kGelu;
}

}  // namespace

template <typename T>
void matmul(OnCuda on, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate) {
  multiply(on, c, a, b, shape, accumulate);
}

template <typename T>
void matmul_to_float(OnCuda on, accumulator_t<T>* c, const T* a, const T* b,
                     const MatmulShape& shape, bool accumulate) {
  multiply(on, c, a, b, shape, accumulate);
}

template <typename T>
void matmul_bias_activation(OnCuda on, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation) {
  const auto finish = [&](OnCuda there, const cuda::Operands& operands) {
    cuda::add_bias_and_activate(there, static_cast<T*>(operands.result),
                                static_cast<T*>(operands.before_activation),
                                static_cast<const T*>(operands.bias), shape, activation);
  };
  const cuda::Operands operands{.result = c,
                                .left = b,
                                .right = a,
                                .bias = const_cast<T*>(bias),
                                .before_activation = before_activation};
  const auto epilogue = epilogue_for(bias != nullptr, before_activation != nullptr, activation);
  if (!epilogue || shape.batch * shape.m * shape.n * shape.k == 0) {
    matmul(on, c, a, b, shape, false);
    finish(on, operands);
    return;
  }
  cuda::multiply(
      on,
      {.matrices = cuda::column_major(shape), .types = cuda::types_of<T>(), .epilogue = *epilogue},
      operands, std::cref(finish));
}

template void matmul(OnCuda, float*, const float*, const float*, const MatmulShape&, bool);
template void matmul(OnCuda, double*, const double*, const double*, const MatmulShape&, bool);
template void matmul(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, const MatmulShape&, bool);
template void matmul(OnCuda, float16*, const float16*, const float16*, const MatmulShape&, bool);

template void matmul_to_float(OnCuda, float*, const float*, const float*, const MatmulShape&, bool);
template void matmul_to_float(OnCuda, double*, const double*, const double*, const MatmulShape&,
                              bool);
template void matmul_to_float(OnCuda, float*, const bfloat16*, const bfloat16*, const MatmulShape&,
                              bool);
template void matmul_to_float(OnCuda, float*, const float16*, const float16*, const MatmulShape&,
                              bool);

template void matmul_bias_activation(OnCuda, float*, float*, const float*, const float*,
                                     const float*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCuda, double*, double*, const double*, const double*,
                                     const double*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCuda, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*,
                                     const bfloat16*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCuda, float16*, float16*, const float16*, const float16*,
                                     const float16*, const MatmulShape&, Activation);

}  // namespace ripieno::kernels
