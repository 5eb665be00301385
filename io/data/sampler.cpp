#include "ripieno/io/data/sampler.h"

#include <fmt/format.h>

#include <bit>

#include "ripieno/core/error.h"
#include "ripieno/core/random.h"

namespace ripieno::io {
namespace {

constexpr int kRounds = 6;
// Random streams that differ from those of modules, which are keyed by a hash.
constexpr uint64_t kOrderStream = 0x6f72646572;     // "order"
constexpr uint64_t kOffsetStream = 0x6f6666736574;  // "offset"

}  // namespace

Sampler::Sampler(int64_t size, uint64_t seed) : size_(size), seed_(seed) {
  if (size < 1) fail(fmt::format("sampler: size must be at least 1, got {}", size));
  const int bits = std::bit_width(static_cast<uint64_t>(size - 1));
  half_bits_ = (bits + 1) / 2;
}

int64_t Sampler::at(int64_t epoch, int64_t index) const {
  auto value = static_cast<uint64_t>(index);
  // Terminates because the cycle of a permutation returns to its start, which is below size. Takes
  // fewer than four iterations on average, because the domain is less than four times the size.
  do {
    value = permuted(static_cast<uint64_t>(epoch), value);
  } while (value >= static_cast<uint64_t>(size_));
  return static_cast<int64_t>(value);
}

uint64_t Sampler::permuted(uint64_t epoch, uint64_t value) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_;
  uint64_t right = value & mask;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const kernels::RandomKey key{.seed = seed_, .stream = kOrderStream, .step = epoch};
    const uint64_t mixed = kernels::philox(key, round << 32 | right).word[0];
    const uint64_t next = (left ^ mixed) & mask;
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

int64_t random_index(uint64_t seed, int64_t position, int64_t bound) {
  const kernels::RandomKey key{.seed = seed, .stream = kOffsetStream, .step = 0};
  const kernels::RandomBlock block = kernels::philox(key, static_cast<uint64_t>(position));
  const uint64_t word = uint64_t{block.word[0]} << 32 | block.word[1];
  // The high half of the product scales the word to [0, bound).
  return static_cast<int64_t>(static_cast<unsigned __int128>(word) * static_cast<uint64_t>(bound) >>
                              64);
}

}  // namespace ripieno::io
