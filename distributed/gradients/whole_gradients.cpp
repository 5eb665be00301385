#include "ripieno/distributed/gradients/whole_gradients.h"

namespace ripieno::distributed {

WholeGradients::WholeGradients(const Parameters& parameters, Communicator& communicator)
    : parameters_(parameters) {
  Arena& gradients = parameters_.gradients();
  if (gradients.device().is_cuda()) return;
  memory_ = communicator.shared_memory(static_cast<std::size_t>(gradients.layout().elements()) *
                                       size_of(gradients.dtype()));
  if (memory_) gradients.place_in(memory_.get());
}

WholeGradients::~WholeGradients() {
  if (memory_) parameters_.gradients().place_in(parameters_.resource());
}

void WholeGradients::begin_round(bool) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_.tensors()[i].requires_gradient()) parameters_.complete_gradient(i);
  }
}

Tensor WholeGradients::gradients_of(std::size_t bucket) {
  return parameters_.gradients().range(buckets_[bucket].begin, buckets_[bucket].end);
}

std::unique_ptr<ReducedGradients> whole_gradients(const Parameters& parameters,
                                                  Communicator& communicator) {
  return std::make_unique<WholeGradients>(parameters, communicator);
}

}  // namespace ripieno::distributed
