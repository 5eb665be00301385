// The operation, and its kernels on the CPU.
#include "soft_cap.h"

#include <ripieno/core/autograd.h>
#include <ripieno/core/place.h>
#include <ripieno/kernels/cpu/support/parallel.h>

#include <cmath>

#include "soft_cap_kernels.h"

using namespace ripieno;

// Blocks of a fixed size, so that no result depends on the number of threads.
template <typename T>
void soft_cap_forward(kernels::OnCpu, T* out, const T* in, int64_t size, double cap) {
  using A = kernels::accumulator_t<T>;  // float for 16-bit types
  kernels::cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = T(A(cap) * std::tanh(A(in[i]) / A(cap)));
  });
}

template <typename T>
void soft_cap_backward(kernels::OnCpu, T* grad_in, const T* grad_out, const T* out, int64_t size,
                       double cap) {
  using A = kernels::accumulator_t<T>;
  kernels::cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const A y = A(out[i]) / A(cap);
      grad_in[i] = T(A(grad_out[i]) * (A(1) - y * y));
    }
  });
}

// run() calls the kernel for the element type and device of a tensor.
Tensor soft_cap(const Tensor& x_, double cap) {
  if (!(cap > 0)) fail("soft_cap: the cap must be positive");
  const Tensor x = x_.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  run({"soft_cap", {&result, &x}}, x, [&]<typename T>(auto on) {
    soft_cap_forward(on, result.data<T>(), x.data<T>(), x.elements(), cap);
  });
  return autograd::record("soft_cap", result, {&x},
                          [saved = autograd::Saved(result), cap](const Tensor& gradient,
                                                                 autograd::Gradients& gradients) {
                            const Tensor& out = *saved;
                            Tensor back(out.shape(), out.dtype(), out.device());
                            run({"soft_cap: gradient", {&back, &gradient, &out}}, out,
                                [&]<typename T>(auto on) {
                                  soft_cap_backward(on, back.data<T>(), gradient.data<T>(),
                                                    out.data<T>(), out.elements(), cap);
                                });
                            gradients.add(0, back);
                          });
}
