#include "ripieno/kernels/matmul.h"

#include <functional>
#include <optional>

#include "ripieno/kernels/cuda/matmul_epilogue.h"
#include "ripieno/kernels/cuda/products/products.h"
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
  cuda::products().multiply(on,
                            {.matrices = cuda::column_major(shape),
                             .types = cuda::types_of<T, C>(),
                             .accumulate = accumulate},
                            {.result = c, .left = b, .right = a});
}

// The epilogue that fuses these operations, if the library has one. Its ReLU turns NaN into 0 and
// its GELU is the tanh approximation; the other activations run in a built-in kernel.
std::optional<cuda::Epilogue> epilogue_for(bool bias, bool kept, Activation activation) {
  using cuda::Epilogue;
  if (activation == Activation::kNone && !kept) return bias ? Epilogue::kBias : Epilogue::kNone;
  if (activation != Activation::kGeluTanh) return std::nullopt;
  if (kept) return bias ? Epilogue::kGeluBiasKept : Epilogue::kGeluKept;
  return bias ? Epilogue::kGeluBias : Epilogue::kGelu;
}

bool is_one_block(const MatmulShape& shape) { return shape.batch == 1 && shape.ldc == shape.n; }

// Adds the bias to the product in o.result, and applies the activation.
template <typename T>
void finish(OnCuda on, const cuda::Operands& o, const MatmulShape& shape, Activation activation) {
  if (!o.bias && !o.before_activation && activation == Activation::kNone) return;
  cuda::add_bias_and_activate(on, static_cast<T*>(o.result), static_cast<T*>(o.before_activation),
                              static_cast<const T*>(o.bias), shape, activation);
}

// The product writes before_activation, and the activation reads it once.
template <typename T>
void multiply_then_activate(cuda::Products& products, OnCuda on,
                            const cuda::ProductProblem& problem, const cuda::Operands& o,
                            const MatmulShape& shape, Activation activation) {
  auto* const kept = static_cast<T*>(o.before_activation);
  const cuda::Operands first{.result = kept, .left = o.left, .right = o.right, .bias = o.bias};
  cuda::ProductProblem with_bias = cuda::without_epilogue(problem);
  if (o.bias) with_bias.epilogue = cuda::Epilogue::kBias;
  const auto in_steps = [&](cuda::Products& self, OnCuda run_on, const cuda::Operands& two) {
    self.multiply(run_on, cuda::without_epilogue(problem), cuda::without_epilogue(two));
    finish<T>(run_on, two, shape, Activation::kNone);
  };
  products.multiply(on, with_bias, first, o.bias ? cuda::InSteps(std::cref(in_steps)) : nullptr);
  activation_forward(on, static_cast<T*>(o.result), kept, shape.m * shape.n, activation);
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
  const cuda::Operands operands{.result = c,
                                .left = b,
                                .right = a,
                                .bias = const_cast<T*>(bias),
                                .before_activation = before_activation};
  if (shape.batch * shape.m * shape.n * shape.k == 0) {
    matmul(on, c, a, b, shape, false);
    finish<T>(on, operands, shape, activation);
    return;
  }
  cuda::ProductProblem problem{.matrices = cuda::column_major(shape), .types = cuda::types_of<T>()};
  const auto in_steps = [&](cuda::Products& products, OnCuda run_on, const cuda::Operands& o) {
    if (before_activation && is_one_block(shape)) {
      multiply_then_activate<T>(products, run_on, problem, o, shape, activation);
    } else {
      products.multiply(run_on, cuda::without_epilogue(problem), cuda::without_epilogue(o));
      finish<T>(run_on, o, shape, activation);
    }
  };
  const auto epilogue = epilogue_for(bias != nullptr, before_activation != nullptr, activation);
  problem.epilogue = epilogue.value_or(cuda::Epilogue::kNone);
  if (!epilogue) {
    in_steps(cuda::products(), on, operands);
  } else if (epilogue == cuda::Epilogue::kNone) {
    matmul(on, c, a, b, shape, false);
  } else {
    cuda::products().multiply(on, problem, operands, std::cref(in_steps));
  }
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
