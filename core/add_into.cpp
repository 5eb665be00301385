#include "ripieno/core/add_into.h"

#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno {

void add_into(const Tensor& target, const Tensor& x) {
  require_defined("add_into", {{"target", target}, {"x", x}});
  require_one_type("add_into", {{"target", target}, {"x", x}});
  if (!(target.shape() == x.shape()) || !target.is_dense() || !x.is_dense()) {
    fail("add_into: target is " + to_string(target.shape()) + ", x is " + to_string(x.shape()) +
         "; both must be dense and have the same shape");
  }
  target.mark_changed();
  run({"add_into", {&target, &target, &x}, x.elements()}, target, [&]<typename T>(auto on) {
    kernels::binary(on, target.data<T>(), target.data<T>(), x.data<T>(), target.elements(),
                    kernels::Binary::kAdd);
  });
}

}  // namespace ripieno
