#include "ripieno/io/files/crc32c.h"

#include <array>

namespace ripieno::io {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1edc6f41 with its bits in reverse order

// The remainder of each byte.
constexpr std::array<uint32_t, 256> kRemainders = [] {
  std::array<uint32_t, 256> remainders = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ kPolynomial : value >> 1;
    remainders[byte] = value;
  }
  return remainders;
}();

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t value = 0xffffffff;
  for (const char byte : bytes)
    value = value >> 8 ^ kRemainders[(value ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~value;
}

}  // namespace ripieno::io
