#include "ripieno/distributed/gathered_rows.h"

namespace ripieno::distributed {

Tensor GatheredRows::gather(const Tensor& rows) {
  Shape shape = rows.shape();
  shape[0] *= communicator_.size();
  Tensor all(shape, rows.dtype(), rows.device());
  communicator_.all_gather(all, rows);
  return all;
}

Tensor GatheredRows::sum_own(const Tensor& gradients) {
  Shape shape = gradients.shape();
  shape[0] /= communicator_.size();
  Tensor own(shape, gradients.dtype(), gradients.device());
  communicator_.reduce_scatter(own, gradients);
  return own;
}

}  // namespace ripieno::distributed
