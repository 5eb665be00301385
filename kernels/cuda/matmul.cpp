#include "ripieno/kernels/matmul.h"

#include "ripieno/kernels/cuda/matmul_epilogue.h"
#include "ripieno/kernels/cuda/products.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {
namespace {

template <typename T>
constexpr cuda::ElementType kType = cuda::ElementType::kFloat32;
template <>
constexpr cuda::ElementType kType<double> = cuda::ElementType::kFloat64;
template <>
constexpr cuda::ElementType kType<bfloat16> = cuda::ElementType::kBFloat16;
template <>
constexpr cuda::ElementType kType<float16> = cuda::ElementType::kFloat16;

template <typename C, typename T>
void multiply(OnCuda on, C* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate) {
  if (shape.m == 0 || shape.n == 0 || shape.batch == 0) return;
  if (shape.k == 0) {
    if (!accumulate) cuda::zero_product(on, c, shape);
    return;
  }
  cuda::multiply(on,
                 {.matrices = cuda::column_major(shape),
                  .types = {kType<T>, kType<C>},
                  .accumulate = accumulate},
                 {.result = c, .left = b, .right = a});
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

// The bias and the activation are a kernel of their own, on the product already rounded to T.
template <typename T>
void matmul_bias_activation(OnCuda on, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation) {
  matmul(on, c, a, b, shape, false);
  if (!bias && !before_activation && activation == Activation::kNone) return;
  cuda::add_bias_and_activate(on, c, before_activation, bias, shape, activation);
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
