#include "ripieno/io/files/sealed_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kSeal = "\"xxh3\": \"";
constexpr std::string_view kEnd = "\"}\n";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kTailBytes = kSeal.size() + kDigits + kEnd.size();

std::string_view tail_of(std::string_view text) {
  return text.size() < kTailBytes ? "" : text.substr(text.size() - kTailBytes);
}

bool is_sealed(std::string_view text) {
  const std::string_view tail = tail_of(text);
  const std::string_view body = text.substr(0, text.size() - tail.size());
  return tail.starts_with(kSeal) && tail.ends_with(kEnd) &&
         from_hexadecimal(tail.substr(kSeal.size(), kDigits)) == hash_of(body);
}

}  // namespace

std::string seal(std::string_view members) {
  std::string text = "{\n" + std::string(members) + ",\n";
  const std::string digits = hexadecimal(hash_of(text));
  text.append(kSeal).append(digits).append(kEnd);
  return text;
}

bool ends_with_seal(std::string_view text) {
  const std::string_view tail = tail_of(text);
  return tail.starts_with(kSeal) || tail.ends_with(kEnd);
}

nlohmann::json unseal(std::string_view text) {
  if (!is_sealed(text))
    throw DataError(fmt::format(
        "checksum mismatch: of its {} bytes, the last {} must hold the checksum of the others",
        text.size(), kTailBytes));
  return parse_json(text);
}

}  // namespace ripieno::io
