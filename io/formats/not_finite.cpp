#include "ripieno/io/formats/not_finite.h"

#include <cstring>

namespace ripieno::io {
namespace {

// A floating-point number is NaN or infinite if all bits of its exponent are set.
template <typename Word>
int64_t count(std::span<const std::byte> bytes, Word exponent) {
  int64_t found = 0;
  for (std::size_t at = 0; at + sizeof(Word) <= bytes.size(); at += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    found += static_cast<Word>(word & exponent) == exponent ? 1 : 0;
  }
  return found;
}

}  // namespace

int64_t count_not_finite(DType dtype, std::span<const std::byte> bytes) {
  switch (dtype) {
    case DType::float32:
      return count<uint32_t>(bytes, 0x7f800000u);
    case DType::bfloat16:
      return count<uint16_t>(bytes, 0x7f80u);
    case DType::float16:
      return count<uint16_t>(bytes, 0x7c00u);
    case DType::float64:
      return count<uint64_t>(bytes, 0x7ff0000000000000u);
    case DType::int64:
    case DType::int32:
    case DType::uint8:
    case DType::boolean:
      break;
  }
  return 0;
}

}  // namespace ripieno::io
