#include "ripieno/io/data/tokenizers/piece_counts.h"

#include <algorithm>

#include "ripieno/io/files/hash.h"

namespace ripieno::io {

void PieceCounts::add(std::string_view piece, int64_t count) {
  const auto hash = static_cast<uint32_t>(hash_of(piece));
  const std::size_t mask = slots_.size() - 1;
  std::size_t index = hash & mask;
  while (slots_[index].bytes != nullptr) {
    Slot& slot = slots_[index];
    if (slot.hash == hash && std::string_view(slot.bytes, slot.size) == piece) {
      slot.count += count;
      return;
    }
    index = (index + 1) & mask;
  }
  slots_[index] = {keep(piece), static_cast<uint32_t>(piece.size()), hash, count};
  if (++size_ > slots_.size() / 2) grow();
}

void PieceCounts::add_all(const PieceCounts& other) {
  other.for_each([&](std::string_view piece, int64_t count) { add(piece, count); });
}

void PieceCounts::for_each(const std::function<void(std::string_view, int64_t)>& act) const {
  for (const Slot& slot : slots_) {
    if (slot.bytes != nullptr) act({slot.bytes, slot.size}, slot.count);
  }
}

void PieceCounts::grow() {
  std::vector<Slot> slots(2 * slots_.size());
  const std::size_t mask = slots.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.bytes == nullptr) continue;
    std::size_t index = slot.hash & mask;
    while (slots[index].bytes != nullptr) index = (index + 1) & mask;
    slots[index] = slot;
  }
  slots_ = std::move(slots);
}

const char* PieceCounts::keep(std::string_view piece) {
  constexpr std::size_t kBlock = 1 << 20;
  if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < piece.size()) {
    blocks_.emplace_back();
    blocks_.back().reserve(std::max(kBlock, piece.size()));
  }
  blocks_.back().append(piece);
  return blocks_.back().data() + blocks_.back().size() - piece.size();
}

}  // namespace ripieno::io
