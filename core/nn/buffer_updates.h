// BufferUpdates: what forwards change in a model's buffers (running statistics), collected by slot
// and applied once, in slot order.
//
// Strict mode computes its slots on several threads, in any order. A slot's updates are recorded by
// the thread that computes it, without a lock.
#pragma once

#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::nn {

class BufferUpdates {
 public:
  // buffer += share (value - buffer)
  struct Update {
    Tensor buffer;  // the model's
    Tensor value;   // of the buffer's shape
    double share;
  };

  explicit BufferUpdates(int slots) : of_slot_(static_cast<std::size_t>(slots)) {}

  // While one lives, updates that this thread's forwards make belong to a slot, instead of being
  // applied at once.
  class Slot {
   public:
    Slot(BufferUpdates& updates, int slot);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    std::vector<Update>* before_;
  };

  // In the order in which the slot's forward made them.
  const std::vector<Update>& of(int slot) const { return of_slot_[static_cast<std::size_t>(slot)]; }
  // Applies all, slot after slot, and forgets them.
  void apply();

  // Of this thread's slot, or at once where it has none.
  static void add(Update update);

 private:
  std::vector<std::vector<Update>> of_slot_;
};

}  // namespace ripieno::nn
