// Tests every algorithm that the library offers, with every epilogue, against the CPU kernels, so
// that whichever is chosen on some host has been tested.
#include <algorithm>
#include <array>

#include "kernel_test.h"
#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cuda/products/products.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::testing {
namespace {

using kernels::Activation;
using kernels::MatmulShape;
using namespace kernels::cuda;

class Algorithms : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Algorithms, device_runs(), run_name);

constexpr int kAll = 32;

bool has_bias(Epilogue epilogue) {
  return epilogue == Epilogue::kBias || epilogue == Epilogue::kGeluBias ||
         epilogue == Epilogue::kGeluBiasKept || epilogue == Epilogue::kBiasGradient;
}
bool keeps(Epilogue epilogue) {
  return epilogue == Epilogue::kGeluKept || epilogue == Epilogue::kGeluBiasKept;
}

// A product with its epilogue, row-major: c = a b.
template <typename T>
struct Case {
  Case(Epilogue epilogue_, const MatmulShape& shape_)
      : epilogue(epilogue_), shape(shape_), before_is_read(epilogue == Epilogue::kGeluGradient) {}

  Operands on_device() {
    return {.result = c.device(),
            .left = b.device(),
            .right = a.device(),
            .bias = has_bias(epilogue) ? bias.device() : nullptr,
            .before_activation = keeps(epilogue) || before_is_read ? before.device() : nullptr};
  }

  void run_on_cpu() {
    T* const none = nullptr;
    if (epilogue == Epilogue::kBiasGradient || before_is_read) {
      kernels::matmul(OnCpu{}, c.host(), a.host(), b.host(), shape, false);
    }
    if (epilogue == Epilogue::kBiasGradient) {
      kernels::reduce(OnCpu{}, bias.host(), a.host(), nullptr, {1, shape.k, shape.m},
                      kernels::Reduction::kSum, 1.0, false);
    } else if (before_is_read) {
      kernels::activation_backward(OnCpu{}, c.host(), c.host(), before.host(), c.size(),
                                   Activation::kGeluTanh);
    } else {
      const bool plain = epilogue == Epilogue::kNone || epilogue == Epilogue::kBias;
      kernels::matmul_bias_activation(OnCpu{}, c.host(), keeps(epilogue) ? before.host() : none,
                                      a.host(), b.host(), has_bias(epilogue) ? bias.host() : none,
                                      shape, plain ? Activation::kNone : Activation::kGeluTanh);
    }
  }

  Epilogue epilogue;
  MatmulShape shape;
  bool before_is_read;
  Both<T> a = some_numbers<T>(shape.m * shape.k, 1), b = some_numbers<T>(shape.n * shape.k, 2);
  Both<T> bias = some_numbers<T>(std::max(shape.m, shape.n), 3);
  Both<T> c = some_numbers<T>(shape.m * shape.n, 4), before = some_numbers<T>(c.size(), 5);
};

template <typename T>
void expect_every_algorithm_right(ProductLibrary& library, Epilogue epilogue,
                                  const MatmulShape& shape) {
  Case<T> expected(epilogue, shape);
  expected.run_on_cpu();
  const ProductProblem problem =
      aligned_as({.matrices = column_major(shape), .types = types_of<T>(), .epilogue = epilogue},
                 expected.on_device());
  if (!may_be_fused(problem)) return;
  const auto product = library.product(problem);
  for (const Algorithm& algorithm : product->candidates(kAll)) {
    SCOPED_TRACE(describe(problem) + ", algorithm " + std::to_string(algorithm.words[0]));
    Case<T> actual(epilogue, shape);
    product->run(OnCuda{}, algorithm, actual.on_device());
    for (const auto array : {&Case<T>::c, &Case<T>::bias, &Case<T>::before}) {
      std::copy_n((expected.*array).host(), (expected.*array).size(), (actual.*array).host());
      expect_agreement(actual.*array, std::max(16 * kTolerance<T>, 1e-6));
    }
  }
}

MatmulShape forward(int64_t m, int64_t n, int64_t k) {
  return {.m = m,
          .n = n,
          .k = k,
          .transpose_a = false,
          .transpose_b = true,
          .lda = k,
          .ldb = k,
          .ldc = n};
}
MatmulShape backward(int64_t m, int64_t n, int64_t k) {
  return {.m = m, .n = n, .k = k, .lda = k, .ldb = n, .ldc = n};
}
MatmulShape of_weight(int64_t m, int64_t n, int64_t k) {
  return {.m = m, .n = n, .k = k, .transpose_a = true, .lda = m, .ldb = n, .ldc = n};
}

TEST_P(Algorithms, AllAgreeWithTheCpu) {
  const auto library = make_product_library();
  const auto expect_right = [&]<typename T>(Type<T>) {
    for (const Epilogue epilogue :
         {Epilogue::kNone, Epilogue::kBias, Epilogue::kGelu, Epilogue::kGeluBias,
          Epilogue::kGeluKept, Epilogue::kGeluBiasKept}) {
      expect_every_algorithm_right<T>(*library, epilogue, forward(40, 64, 32));
      expect_every_algorithm_right<T>(*library, epilogue, forward(33, 72, 31));
    }
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{40, 64, 32}, {33, 72, 31}}) {
      expect_every_algorithm_right<T>(*library, Epilogue::kGeluGradient, backward(m, n, k));
      expect_every_algorithm_right<T>(*library, Epilogue::kBiasGradient, of_weight(m, n, k));
    }
  };
  expect_right(Type<float>{});
  expect_right(Type<bfloat16>{});
  expect_right(Type<float16>{});
}

}  // namespace
}  // namespace ripieno::testing
