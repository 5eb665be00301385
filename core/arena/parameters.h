// Parameters: what a model learns, as one arena of values and one of gradients.
//
// A handle: the model, its optimizer and its data-parallel layer share one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"

namespace ripieno {

class Parameters {
 public:
  // `tensors` are the model's handles, in the layout's order; `initialize` runs when their memory
  // appears.
  Parameters(std::shared_ptr<const ArenaLayout> layout, std::vector<Tensor> tensors,
             std::function<void()> initialize);

  const ArenaLayout& layout() const { return *state_->layout; }
  std::shared_ptr<const ArenaLayout> shared_layout() const { return state_->layout; }
  Arena& values() const { return state_->values; }
  Arena& gradients() const { return state_->gradients; }

  std::size_t size() const { return tensors().size(); }
  const std::vector<Tensor>& tensors() const { return state_->values.tensors(); }
  // With their names: for (auto& [name, parameter] : model.parameters()).
  struct Named {
    std::string name;
    Tensor tensor;
  };
  std::vector<Named>::iterator begin() const { return state_->named.begin(); }
  std::vector<Named>::iterator end() const { return state_->named.end(); }

  // Throws Error where there is none of that name.
  Tensor operator[](const std::string& name) const;
  // Of all tensors together, without padding.
  int64_t elements() const;

  // Where the model computes. The optimizer's state follows at its next step.
  void to(Device device, DType dtype) const;
  // Where values and gradients lie, and what else has a number for each of them, an optimizer's
  // state; as Arena::place_in().
  void place_in(MemoryResource* resource) const;
  MemoryResource* resource() const { return state_->resource; }

  // Changes whenever a parameter was frozen or thawed since the last call: what is laid out by
  // trainable parameters (buckets, an optimizer's segments) is then laid out anew.
  uint64_t trainable_version() const;

  // Forgets the gradients: the next backward overwrites them.
  void clear_gradients() const;
  // Makes the gradients of parameters that the last backward did not reach zero.
  void complete_gradients() const;
  // The same of one parameter (its index).
  void complete_gradient(std::size_t parameter) const;
  // Marks all gradients as present, after something other than backward has written them.
  void keep_gradients() const;

 private:
  struct State {
    State(std::shared_ptr<const ArenaLayout> shape)
        : layout(shape),
          values(shape, DType::float32, Device::cpu()),
          gradients(shape, DType::float32, Device::cpu()) {
      values.count_as(MemoryKind::parameters);
      gradients.count_as(MemoryKind::gradients);
    }
    std::shared_ptr<const ArenaLayout> layout;
    Arena values, gradients;
    std::vector<Named> named;
    std::vector<bool> trainable;
    uint64_t trainable_version = 0;
    MemoryResource* resource = nullptr;
  };
  std::shared_ptr<State> state_;
};

}  // namespace ripieno
