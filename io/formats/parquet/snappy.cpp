#include "ripieno/io/formats/parquet/snappy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ripieno/core/error.h"

namespace ripieno::io::parquet {
namespace {

class Snappy {
 public:
  Snappy(std::string_view packed, std::span<char> into) : packed_(packed), into_(into) {}

  void unpack() {
    const uint64_t size = preamble();
    if (size != into_.size()) {
      bad(fmt::format("unpacks to {} bytes, but {} are required", size, into_.size()));
    }
    while (at_ < packed_.size()) element();
    if (end_ != into_.size()) bad("ends in the middle");
  }

 private:
  [[noreturn]] static void bad(const std::string& what) {
    throw DataError("the Snappy data is damaged: it " + what);
  }

  // A little-endian number.
  uint64_t number(std::size_t bytes) {
    if (bytes > packed_.size() - at_) bad("ends in the middle");
    uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value |= uint64_t{static_cast<uint8_t>(packed_[at_ + i])} << 8 * i;
    at_ += bytes;
    return value;
  }

  uint64_t preamble() {
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const uint64_t next = number(1);
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    bad("has a length of more than 32 bits");
  }

  void element() {
    const auto tag = static_cast<std::size_t>(number(1));
    const std::size_t upper = tag >> 2;
    switch (tag & 3) {
      case 0:
        return literal(upper < 60 ? upper + 1 : number(upper - 59) + 1);
      case 1:
        return copy((upper & 7) + 4, (tag >> 5 << 8) | number(1));
      case 2:
        return copy(upper + 1, number(2));
      default:
        return copy(upper + 1, number(4));
    }
  }

  void require_room(uint64_t bytes) const {
    if (bytes > into_.size() - end_) bad("unpacks to more bytes than it says");
  }

  void literal(uint64_t bytes) {
    if (bytes > packed_.size() - at_) bad("ends in the middle");
    require_room(bytes);
    std::memcpy(into_.data() + end_, packed_.data() + at_, bytes);
    at_ += bytes;
    end_ += bytes;
  }

  // Repeats bytes that were unpacked before; the source may overlap what is written.
  void copy(std::size_t bytes, uint64_t distance) {
    if (distance == 0 || distance > end_) bad("repeats bytes from before its beginning");
    require_room(bytes);
    char* to = into_.data() + end_;
    const char* from = to - distance;
    if (distance >= bytes)
      std::memcpy(to, from, bytes);
    else
      for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
    end_ += bytes;
  }

  std::string_view packed_;
  std::span<char> into_;
  std::size_t at_ = 0;   // of packed_
  std::size_t end_ = 0;  // of what was unpacked
};

}  // namespace

void unpack_snappy(std::string_view packed, std::span<char> into) { Snappy(packed, into).unpack(); }

}  // namespace ripieno::io::parquet
