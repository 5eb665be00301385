// PieceCounts: how often each piece is in a text, for training a vocabulary. Not installed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::io {

// A hash table that owns its pieces. One thread at a time.
class PieceCounts {
 public:
  PieceCounts() : slots_(1 << 12) {}

  void add(std::string_view piece, int64_t count);
  void add_all(const PieceCounts& other);
  std::size_t size() const { return size_; }
  // In an order that depends on what was added.
  void for_each(const std::function<void(std::string_view, int64_t)>& act) const;

 private:
  struct Slot {
    const char* bytes = nullptr;  // nullptr: free
    uint32_t size = 0;
    uint32_t hash = 0;
    int64_t count = 0;
  };
  void grow();
  const char* keep(std::string_view piece);

  std::vector<Slot> slots_;  // a power of two of them, at most half used
  std::size_t size_ = 0;
  std::deque<std::string> blocks_;  // the bytes of the pieces
};

}  // namespace ripieno::io
