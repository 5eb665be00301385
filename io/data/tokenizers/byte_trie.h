// ByteTrie: a set of byte strings with a number each, to find the longest one at a position of a
// text. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ripieno::io {

// Immutable after construction and thread-safe.
class ByteTrie {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    std::string_view bytes;  // not empty; read only during construction
    uint32_t value;          // not kNone
  };
  struct Match {
    uint32_t value = kNone;  // kNone: no entry is a prefix of the text
    std::size_t bytes = 0;
  };

  ByteTrie() : nodes_(1) {}
  // Sorts the entries, whose bytes must differ.
  explicit ByteTrie(std::vector<Entry> entries);

  // The longest entry that the text begins with.
  Match longest(const char* at, const char* end) const {
    Match match;
    uint32_t node = 0;
    for (const char* next = at; next != end;) {
      const uint32_t child = nodes_[node].base ^ static_cast<uint8_t>(*next);
      if (child >= nodes_.size() || nodes_[child].parent != node) break;
      node = child;
      ++next;
      if (nodes_[node].value != kNone)
        match = {nodes_[node].value, static_cast<std::size_t>(next - at)};
    }
    return match;
  }

 private:
  // A double array: the child of a node for byte b is node base ^ b, if that names it as its
  // parent.
  struct Node {
    uint32_t base = 0;
    uint32_t parent = kNone;  // kNone: unused, or the root
    uint32_t value = kNone;
  };
  // Entries that have the same first `depth` bytes, and the node of those bytes.
  struct Range {
    std::size_t begin, end, depth;
    uint32_t node;
  };
  uint32_t place(std::span<const uint8_t> bytes);
  bool fits(uint32_t base, std::span<const uint8_t> bytes) const;

  std::vector<Node> nodes_;
  uint32_t lowest_free_ = 1;  // for construction: no node below it is tried again
};

}  // namespace ripieno::io
