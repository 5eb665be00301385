#include "ripieno/core/nn/buffer_updates.h"

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/tensor_reads.h"

namespace ripieno::nn {
namespace {

thread_local std::vector<BufferUpdates::Update>* slot_of_thread = nullptr;

void apply_update(const BufferUpdates::Update& update) {
  const NoGrad no_grad;
  Tensor buffer = update.buffer;
  const Tensor value = update.value.to(buffer.dtype());
  TensorReads::ignore_writes(buffer);
  buffer.copy_from(buffer + (value - buffer) * update.share);
}

}  // namespace

BufferUpdates::Slot::Slot(BufferUpdates& updates, int slot)
    : before_(std::exchange(slot_of_thread, &updates.of_slot_[static_cast<std::size_t>(slot)])) {
  slot_of_thread->clear();
}

BufferUpdates::Slot::~Slot() { slot_of_thread = before_; }

void BufferUpdates::add(Update update) {
  if (slot_of_thread == nullptr) return apply_update(update);
  slot_of_thread->push_back(std::move(update));
}

void BufferUpdates::apply() {
  for (auto& slot : of_slot_) {
    for (const Update& update : slot) apply_update(update);
    slot.clear();
  }
}

}  // namespace ripieno::nn
