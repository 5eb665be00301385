#include "ripieno/core/ops/softmax.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/softmax.h"

namespace ripieno {
namespace {

Tensor over_rows(const char* name, const Tensor& x_, bool logarithm) {
  require_defined(name, {{"x", x_}});
  if (x_.rank() == 0) fail(std::string(name) + ": x must have at least one axis, got a scalar");
  const Tensor x = x_.dense();
  const int64_t cols = x.size(-1);
  const int64_t rows = cols == 0 ? 0 : x.elements() / cols;
  Tensor result(x.shape(), x.dtype(), x.device());
  run({name, {&result, &x}, 5 * x.elements()}, x, [&]<typename T>(auto on) {
    kernels::softmax_forward(on, result.data<T>(), x.data<T>(), rows, cols, logarithm);
  });
  return autograd::record(
      name, result, {&x},
      [saved = autograd::Saved(result), rows, cols, logarithm](const Tensor& gradient,
                                                               autograd::Gradients& gradients) {
        const Tensor& out = *saved;
        Tensor back(out.shape(), out.dtype(), out.device());
        const Work work{"softmax: gradient", {&back, &gradient, &out}, 4 * out.elements()};
        run(work, out, [&]<typename T>(auto on) {
          kernels::softmax_backward(on, back.data<T>(), gradient.data<T>(), out.data<T>(), rows,
                                    cols, logarithm);
        });
        gradients.add(0, back);
      });
}

}  // namespace

Tensor softmax(const Tensor& x) { return over_rows("softmax", x, false); }
Tensor log_softmax(const Tensor& x) { return over_rows("log_softmax", x, true); }

}  // namespace ripieno
