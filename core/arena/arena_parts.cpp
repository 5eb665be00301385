#include "ripieno/core/arena/arena_parts.h"

#include <algorithm>
#include <utility>

#include "ripieno/core/device/copy.h"

namespace ripieno {

void* ArenaParts::Memory::allocate(std::size_t bytes) {
  current += static_cast<int64_t>(bytes);
  peak = std::max(peak.load(), current.load());
  return source.allocate(bytes);
}

void ArenaParts::Memory::deallocate(void* memory, std::size_t bytes) noexcept {
  current -= static_cast<int64_t>(bytes);
  source.deallocate(memory, bytes);
}

ArenaParts::ArenaParts(Arena& arena, std::vector<ElementRange> parts)
    : arena_(arena), memory_(arena.device()), parts_(parts.size()) {
  arena.release();
  const auto& entries = arena.layout().entries();
  const auto entry_at = [&](int64_t offset) {
    const auto is_before = [](const auto& entry, int64_t at) { return entry.offset < at; };
    return static_cast<std::size_t>(
        std::lower_bound(entries.begin(), entries.end(), offset, is_before) - entries.begin());
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Part& part = parts_[i];
    part.parts = this;
    part.range = parts[i];
    part.first_entry = entry_at(part.range.begin);
    part.entries_end = entry_at(part.range.end);
    part.bind(nullptr);
  }
}

ArenaParts::~ArenaParts() { arena_.adopt(arena_.tensors()); }

void ArenaParts::Part::bind(std::shared_ptr<Storage> storage) {
  const auto& entries = parts->arena_.layout().entries();
  for (std::size_t i = first_entry; i < entries_end; ++i) {
    TensorImplementation& tensor = parts->arena_.tensors()[i].implementation();
    tensor.storage = storage;
    tensor.offset = entries[i].offset - range.begin;
    tensor.lazy = storage ? nullptr : this;
  }
}

void ArenaParts::Part::materialize() {
  Arena& arena = parts->arena_;
  const std::size_t size = size_of(arena.dtype());
  const auto storage = allocate_storage(static_cast<std::size_t>(range.elements()) * size,
                                        arena.device(), parts->memory_);
  const auto& entries = arena.layout().entries();
  for (std::size_t i = first_entry; i < entries_end; ++i) {
    const int64_t begin = entries[i].offset + entries[i].elements;
    const int64_t end = i + 1 < entries_end ? entries[i + 1].offset : range.end;
    zero_bytes(static_cast<std::byte*>(storage->data) +
                   static_cast<std::size_t>(begin - range.begin) * size,
               arena.device(), static_cast<std::size_t>(end - begin) * size);
  }
  bind(storage);
}

Tensor ArenaParts::take(std::size_t index) {
  Part& part = parts_[index];
  TensorImplementation& first = arena_.tensors()[part.first_entry].implementation();
  first.require_memory();
  Tensor result = tensor_over(first.storage, 0, {part.range.elements()}, {1}, arena_.dtype());
  part.bind(nullptr);
  return result;
}

}  // namespace ripieno
