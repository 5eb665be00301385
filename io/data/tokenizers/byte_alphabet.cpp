#include "ripieno/io/data/tokenizers/byte_alphabet.h"

#include "ripieno/io/data/tokenizers/unicode.h"
#include "ripieno/io/files/utf8.h"

namespace ripieno::io {
namespace {

constexpr char32_t kBeyond = 0x100;  // of the first byte that does not stand for itself
constexpr int kMoved = 68;

std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> characters;
  char32_t next = kBeyond;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable =
        (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters[byte] = is_printable ? byte : next++;
  }
  return characters;
}

std::array<int16_t, kBeyond + kMoved> make_bytes() {
  std::array<int16_t, kBeyond + kMoved> bytes;
  bytes.fill(-1);
  for (int byte = 0; byte < 256; ++byte)
    bytes[byte_characters()[byte]] = static_cast<int16_t>(byte);
  return bytes;
}

}  // namespace

const std::array<char32_t, 256>& byte_characters() {
  static const auto characters = make_characters();
  return characters;
}

std::optional<std::string> bytes_of_characters(std::string_view characters) {
  static const auto bytes = make_bytes();
  std::string out;
  const char* end = characters.data() + characters.size();
  for (const char* at = characters.data(); at != end;) {
    const unicode::Character character = unicode::character_at(at, end);
    if (!character.is_valid || character.code >= bytes.size() || bytes[character.code] < 0)
      return std::nullopt;
    out.push_back(static_cast<char>(bytes[character.code]));
    at += character.bytes;
  }
  return out;
}

std::string characters_of_bytes(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes)
    append_character(out, byte_characters()[static_cast<uint8_t>(byte)]);
  return out;
}

}  // namespace ripieno::io
