#include "ripieno/io/formats/parquet/run_reader.h"

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno::io::parquet {
namespace {

[[noreturn]] void ends_early() { throw DataError("has fewer values than it says"); }

}  // namespace

// The head of a run is 2 * count, and its number follows; or 2 * groups + 1, and 8 packed numbers
// per group follow.
void RunReader::open_run() {
  uint64_t head = 0;
  for (int shift = 0;; shift += 7) {
    if (at_ == bytes_.size() || shift > 28) ends_early();
    const auto next = static_cast<uint8_t>(bytes_[at_++]);
    head |= uint64_t{next & 0x7fU} << shift;
    if (next < 0x80) break;
  }
  is_packed_ = head % 2 == 1;
  if (is_packed_) {
    bit_at_ = 8 * at_;
    const uint64_t bytes =
        std::min<uint64_t>(head / 2 * static_cast<uint64_t>(bits_), bytes_.size() - at_);
    // The last group may be cut behind its last number.
    left_ = bits_ == 0 ? head / 2 * 8
                       : std::min(head / 2 * 8, 8 * bytes / static_cast<uint64_t>(bits_));
    at_ += static_cast<std::size_t>(bytes);
    return;
  }
  left_ = head / 2;
  const auto width = static_cast<std::size_t>((bits_ + 7) / 8);
  if (width > bytes_.size() - at_) ends_early();
  value_ = 0;
  for (std::size_t i = 0; i < width; ++i)
    value_ |= uint32_t{static_cast<uint8_t>(bytes_[at_ + i])} << 8 * i;
  at_ += width;
}

uint32_t RunReader::unpack() {
  uint64_t value = 0;
  const uint64_t first = bit_at_ / 8, last = (bit_at_ + static_cast<uint64_t>(bits_) + 7) / 8;
  for (uint64_t i = first; i < last; ++i)
    value |= uint64_t{static_cast<uint8_t>(bytes_[i])} << 8 * (i - first);
  value >>= bit_at_ % 8;
  bit_at_ += static_cast<uint64_t>(bits_);
  return static_cast<uint32_t>(value & ((uint64_t{1} << bits_) - 1));
}

uint32_t RunReader::next() {
  while (left_ == 0) open_run();
  --left_;
  if (!is_packed_) return value_;
  return bits_ == 0 ? 0 : unpack();
}

}  // namespace ripieno::io::parquet
