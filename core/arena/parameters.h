// Parameters: the parameters of a model, as one arena of values and one of gradients.
//
// A handle: the model, its optimizer and its DataParallel share one state. A graph that was
// recorded from the parameters can be differentiated after that state is gone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"

namespace ripieno {

class Parameters {
 public:
  // `tensors`: the model's handles, in the order of the layout. `initialize` is called when the
  // memory of the values is allocated.
  Parameters(std::shared_ptr<const ArenaLayout> layout, std::vector<Tensor> tensors,
             std::function<void()> initialize);

  const ArenaLayout& layout() const { return *state_->layout; }
  std::shared_ptr<const ArenaLayout> shared_layout() const { return state_->layout; }
  // The arenas of values and gradients.
  Arena& values() const { return state_->values; }
  Arena& gradients() const { return state_->gradients; }

  // The number of tensors, and their handles in the order of the layout.
  std::size_t size() const { return tensors().size(); }
  const std::vector<Tensor>& tensors() const { return state_->values.tensors(); }
  // Iteration with names: for (auto& [name, parameter] : model.parameters()).
  struct Named {
    std::string name;
    Tensor tensor;
  };
  std::vector<Named>::iterator begin() const { return state_->named.begin(); }
  std::vector<Named>::iterator end() const { return state_->named.end(); }

  // The parameter of that name. Throws Error if there is none.
  Tensor operator[](const std::string& name) const;
  // The total number of elements, without padding.
  int64_t elements() const;

  // Moves values and gradients to `device` and converts them to `dtype`, a floating-point type. The
  // optimizer's state follows at its next step. If it throws because the values cannot be moved,
  // nothing has changed; if there is no memory for the gradients, they are discarded.
  void to(Device device, DType dtype) const;
  // Allocates values and gradients from `resource`, as Arena::place_in(). Optimizer state
  // that is created later uses it too (resource()).
  void place_in(MemoryResource* resource) const;
  MemoryResource* resource() const { return state_->resource; }

  // A number that changes if a parameter was frozen or unfrozen since the last call: whatever
  // depends on the set of trainable parameters (buckets, an optimizer's segments) must then be
  // rebuilt.
  uint64_t trainable_version() const;

  // Discards the gradients: the next backward overwrites them.
  void clear_gradients() const;
  // Sets to zero the gradients that no backward has written since they were cleared.
  void complete_gradients() const;
  // The same for one parameter, given by its index.
  void complete_gradient(std::size_t parameter) const;
  // Marks all gradients as present, for code that writes them other than by a backward.
  void mark_gradients_present() const;

 private:
  struct State {
    State(std::shared_ptr<const ArenaLayout> shape)
        : layout(shape),
          values(shape, DType::float32, Device::cpu()),
          gradients(shape, DType::float32, Device::cpu()) {
      values.count_as(MemoryKind::parameters);
      gradients.count_as(MemoryKind::gradients);
    }
    ~State();
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
