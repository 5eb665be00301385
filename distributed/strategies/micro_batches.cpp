#include "ripieno/distributed/strategies/micro_batches.h"

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/random.h"
#include "ripieno/core/trace.h"

namespace ripieno::distributed {
namespace {

// Adds in float64, since the count of a large batch may exceed the integers that float32
// represents.
void add_to(Tensor& total, const Tensor& x) {
  const Tensor more = x.detach();
  total = total.defined() ? total.to(DType::float64) + more.to(DType::float64) : more;
}

Loss forward(const Strategy::LossOf& loss_of, int64_t begin, int64_t end) {
  const Profiled profiled("forward");
  const trace::Scope traced({.name = "forward"});
  return loss_of(begin, end);
}

// Restores the first row of this thread's random_context(), also after an exception.
class FirstRow {
 public:
  FirstRow() : before_(random_context().first_row) {}
  ~FirstRow() { random_context().first_row = before_; }
  FirstRow(const FirstRow&) = delete;
  FirstRow& operator=(const FirstRow&) = delete;

  void move_to(int64_t row) { random_context().first_row = before_ + row; }

 private:
  int64_t before_;
};

}  // namespace

void MicroBatches::backward(const Loss& loss, bool more) {
  const PhaseTimes::Span span(replica_.times, &ParallelSeconds::backward);
  add(loss);
  begin_micro_batch(loss_, more);
  loss.sum.backward(replica_.optimizer.loss_scale());
  end_micro_batch();
}

void MicroBatches::backward(int64_t rows, const LossOf& loss_of) {
  if (rows == 0) return backward_without_rows();
  const int64_t size = replica_.micro_batch_size;
  const int64_t at_once = size > 0 ? size : std::max<int64_t>(rows, 1);
  FirstRow first_row;
  int64_t begin = 0;
  do {
    const int64_t end = std::min(begin + at_once, rows);
    first_row.move_to(begin);
    backward(forward(loss_of, begin, end), /*more=*/end < rows);
    begin = end;
  } while (begin < rows);
}

void MicroBatches::backward_without_rows() {
  const PhaseTimes::Span span(replica_.times, &ParallelSeconds::backward);
  const Device device = replica_.parameters().values().device();
  const Tensor nothing = Tensor::zeros({}, DType::float64, device);
  if (!loss_.sum.defined()) loss_ = {nothing, nothing};
  begin_micro_batch(loss_, /*more=*/false);
  end_micro_batch();
}

Loss MicroBatches::finish_gradients() {
  const Loss loss = finish(loss_);
  loss_ = {};
  return loss;
}

void MicroBatches::add(const Loss& loss) {
  const NoGrad no_grad;
  add_to(loss_.sum, loss.sum);
  add_to(loss_.count, loss.count);
}

}  // namespace ripieno::distributed
