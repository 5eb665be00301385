#include "ripieno/distributed/data_parallel.h"

#include <chrono>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/distributed/gradient_reducer.h"

namespace ripieno::distributed {
namespace {

// Adds the time of its own life to `seconds`.
class Timed {
 public:
  explicit Timed(double& seconds) : seconds_(seconds) {}
  ~Timed() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& seconds_;
  Clock::time_point start_ = Clock::now();
};

// In double precision: the count of a large batch is not a float any more.
void add_to(Tensor& total, const Tensor& x) {
  const Tensor more = x.detach();
  total = total.defined() ? total.to(DType::float64) + more.to(DType::float64) : more;
}

}  // namespace

DataParallel::DataParallel(nn::Module& model, optim::Optimizer& optimizer,
                           Communicator& communicator, const DataParallelOptions& options)
    : optimizer_(optimizer), communicator_(communicator) {
  const Parameters parameters = model.parameters();
  if (&parameters.values() != &optimizer.parameters().values()) {
    fail("data parallel: the optimizer was made for another model's parameters");
  }
  if (communicator.size() == 1) return;
  start_alike();
  const auto place =
      options.overlap ? OrderedWorker::Place::own_thread : OrderedWorker::Place::finish;
  reducer_ =
      std::make_shared<GradientReducer>(parameters, communicator, options.bucket_bytes, place);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Tensor parameter = parameters.tensors()[i];
    if (!parameter.requires_gradient()) continue;
    // The model may outlive this.
    parameter.on_gradient([reducer = std::weak_ptr(reducer_), i] {
      if (const auto alive = reducer.lock()) alive->complete(i);
    });
  }
}

DataParallel::~DataParallel() = default;

void DataParallel::start_alike() {
  communicator_.broadcast(optimizer_.parameters().values().flat(), 0);
  for (const auto& slot : optimizer_.state()) communicator_.broadcast(slot.arena->flat(), 0);
}

void DataParallel::backward(const Loss& loss, Accumulate accumulate) {
  if (complete_) fail("backward: the step's last micro-batch has been given; call step()");
  const Timed timed(seconds_.backward);
  add(loss);
  complete_ = accumulate == Accumulate::last;
  if (complete_ && reducer_) reducer_->begin(part_.sum.item(), part_.count.item());
  loss.sum.backward();
  if (complete_ && reducer_) reducer_->complete_all();
}

void DataParallel::step() {
  if (!complete_) fail("step: there are no gradients; call backward() with the last micro-batch");
  complete_ = false;
  loss_ = std::exchange(part_, {});
  if (reducer_) {
    const Timed timed(seconds_.communication_exposed);
    const Tensor& totals = reducer_->finish();
    loss_ = {totals.slice(0, 0, 1).reshape({}), totals.slice(0, 1, 2).reshape({})};
  }
  const Timed timed(seconds_.optimizer);
  optimizer_.step(loss_.count.to(optimizer_.parameters().values().device()));
}

void DataParallel::add(const Loss& loss) {
  const NoGrad no_grad;
  add_to(part_.sum, loss.sum);
  add_to(part_.count, loss.count);
}

}  // namespace ripieno::distributed
