// ShortPieces: finds the token that a short piece of text is as a whole. Not installed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace ripieno::io {

// A hash table of pieces of at most kMostBytes, with linear probing, at most half full. Nine of ten
// pieces of a text in natural language are found here.
class ShortPieces {
 public:
  static constexpr std::size_t kMostBytes = 15;
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit ShortPieces(std::size_t most_pieces)
      : slots_(std::bit_ceil(2 * most_pieces + 2)), shift_(64 - std::countr_zero(slots_.size())) {}

  // `piece`: of 1 to kMostBytes bytes, and not in the table.
  void insert(std::string_view piece, uint32_t token) {
    const Key key = key_of(piece);
    slots_[index_of(key, first_index(key))] = {key, token};
  }
  // A lookup that is prepared some time before it is made, so that memory is waiting for it.
  // probe() begins to load the slot; find() returns kNone if the piece is not in the table.
  struct Probe;
  Probe probe(std::string_view piece) const;
  uint32_t find(const Probe& probe) const;
  uint32_t find(std::string_view piece) const;

 private:
  // The bytes of the piece, then zeros, then its size.
  struct Key {
    uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
  };
  struct alignas(32) Slot {  // within a cache line
    Key key;
    uint32_t token = kNone;
  };

  // The `kSize` bytes at `at`. Two loads that overlap make a key without reading beyond the piece.
  template <typename T>
  static uint64_t load(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }
  static Key key_of(std::string_view piece) {
    const char* at = piece.data();
    const std::size_t size = piece.size();
    const uint64_t size_bits = uint64_t{size} << 56;
    if (size > 8)
      return {load<uint64_t>(at), load<uint64_t>(at + size - 8) >> (16 - size) * 8 | size_bits};
    if (size == 8) return {load<uint64_t>(at), size_bits};
    if (size >= 4)
      return {load<uint32_t>(at) | load<uint32_t>(at + size - 4) << (size - 4) * 8, size_bits};
    if (size == 1) return {load<uint8_t>(at), size_bits};
    return {load<uint16_t>(at) | load<uint8_t>(at + size - 1) << (size - 1) * 8, size_bits};
  }
  std::size_t first_index(const Key& key) const {
    const uint64_t mixed = (key.low ^ key.high * 0x9e3779b97f4a7c15u) * 0xd1342543de82ef95u;
    return (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15u >> shift_;
  }
  std::size_t index_of(const Key& key, std::size_t index) const {
    while (slots_[index].token != kNone && slots_[index].key != key)
      index = (index + 1) & (slots_.size() - 1);
    return index;
  }

  std::vector<Slot> slots_;  // a power of two of them
  int shift_;
};

struct ShortPieces::Probe {
  Key key;
  std::size_t index;
};

inline ShortPieces::Probe ShortPieces::probe(std::string_view piece) const {
  const Key key = key_of(piece);
  const std::size_t index = first_index(key);
  __builtin_prefetch(&slots_[index]);
  return {key, index};
}
inline uint32_t ShortPieces::find(const Probe& probe) const {
  return slots_[index_of(probe.key, probe.index)].token;
}
inline uint32_t ShortPieces::find(std::string_view piece) const { return find(probe(piece)); }

}  // namespace ripieno::io
