#include "ripieno/io/files/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <new>

namespace ripieno::io {

struct Hash::State {
  XXH3_state_t* xxh3 = XXH3_createState();
  ~State() { XXH3_freeState(xxh3); }
};

void Hash::Deleter::operator()(State* state) const { delete state; }

uint64_t hash_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t hash_of(std::string_view text) { return hash_of(std::as_bytes(std::span(text))); }

Hash::Hash() : state_(new State) {
  if (state_->xxh3 == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_->xxh3);
}

void Hash::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_->xxh3, bytes.data(), bytes.size());
}

uint64_t Hash::value() const { return XXH3_64bits_digest(state_->xxh3); }

std::string hexadecimal(uint64_t value) { return fmt::format("{:016x}", value); }

std::optional<uint64_t> from_hexadecimal(std::string_view digits) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (digits.size() != 16 || !std::all_of(digits.begin(), digits.end(), is_digit))
    return std::nullopt;
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

}  // namespace ripieno::io
