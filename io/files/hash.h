// XXH3, the 64-bit checksum of everything that io writes, for whoever verifies a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ripieno::io {

uint64_t hash_of(std::span<const std::byte> bytes);
uint64_t hash_of(std::string_view text);

// The hash of bytes that come in parts: equals hash_of() of the whole.
class Hash {
 public:
  Hash();
  void add(std::span<const std::byte> bytes);
  uint64_t value() const;

 private:
  struct State;
  struct Deleter {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, Deleter> state_;
};

// 16 lower-case hexadecimal digits, and back; nullopt for anything else.
std::string hexadecimal(uint64_t value);
std::optional<uint64_t> from_hexadecimal(std::string_view digits);

}  // namespace ripieno::io
