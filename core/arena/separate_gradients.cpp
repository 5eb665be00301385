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
  for (auto& [leaf, own] : gradients.leaves_) own.has_gradient = false;
}

SeparateGradients::Use::~Use() { autograd::substitute(before_); }

void SeparateGradients::complete() {
  for (auto& [leaf, own] : leaves_) {
    if (std::exchange(own.has_gradient, true)) continue;
    zero_bytes(own.gradient.raw_data(), own.gradient.device(), own.gradient.bytes());
  }
}

}  // namespace ripieno
