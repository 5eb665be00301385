// XXH3 (64 bits, seed 0): the checksum in checkpoints, token files and fingerprints.
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

// Incremental hash: value() equals hash_of() of all bytes added so far.
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

// A hash as 16 lower-case hexadecimal digits, and back. from_hexadecimal() returns nullopt for any
// other text.
std::string hexadecimal(uint64_t value);
std::optional<uint64_t> from_hexadecimal(std::string_view digits);

}  // namespace ripieno::io
