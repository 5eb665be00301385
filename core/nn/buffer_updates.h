// BufferUpdates: changes of a model's buffers (running statistics), collected per slot of strict
// mode and applied in slot order.
//
// Strict mode computes its slots on several threads in any order. The thread that computes a slot
// records its updates, without a lock.
#pragma once

#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::nn {

class BufferUpdates {
 public:
  // buffer += share * (value - buffer)
  struct Update {
    Tensor buffer;  // of the model
    Tensor value;   // of the buffer's shape
    double share;
  };

  explicit BufferUpdates(int slots) : of_slot_(static_cast<std::size_t>(slots)) {}

  // Records the updates of this thread's forwards for a slot, instead of applying them at once,
  // while it exists. Discards earlier updates of that slot.
  class Slot {
   public:
    Slot(BufferUpdates& updates, int slot);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    std::vector<Update>* before_;
  };

  // The updates of a slot, in the order in which its forward made them.
  const std::vector<Update>& of(int slot) const { return of_slot_[static_cast<std::size_t>(slot)]; }
  // Applies the updates of all slots in slot order, and removes them.
  void apply();

  // Records an update for the slot of this thread, or applies it at once if there is none.
  static void add(Update update);

 private:
  std::vector<std::vector<Update>> of_slot_;
};

}  // namespace ripieno::nn
