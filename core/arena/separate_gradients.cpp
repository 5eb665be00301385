#include "ripieno/core/arena/separate_gradients.h"

#include "ripieno/core/device/copy.h"

namespace ripieno {

SeparateGradients::SeparateGradients(const Parameters& parameters, Arena& arena) : arena_(arena) {
  arena.materialize();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const autograd::Leaf* leaf = parameters.tensors()[i].implementation().leaf.get();
    leaves_[leaf].gradient = arena.tensors()[i];
  }
}

SeparateGradients::Use::Use(SeparateGradients& gradients)
    : before_(autograd::substitute(&gradients.leaves_)) {
  for (auto& [leaf, separate] : gradients.leaves_) separate.has_gradient = false;
}

SeparateGradients::Use::~Use() { autograd::substitute(before_); }

void SeparateGradients::complete() {
  for (auto& [leaf, separate] : leaves_) {
    if (std::exchange(separate.has_gradient, true)) continue;
    zero_bytes(separate.gradient.raw_data(), separate.gradient.device(), separate.gradient.bytes());
  }
}

}  // namespace ripieno
