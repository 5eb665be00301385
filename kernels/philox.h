// Philox4x32-10: random numbers as a pure function of a key and a counter, the same on every
// device.
//
// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

namespace ripieno::kernels {

struct RandomBlock {
  uint32_t word[4];
};

// Key of a stream of random numbers; element i of the stream is a function of (key, i) only.
struct RandomKey {
  uint64_t seed = 0;    // of the run
  uint64_t stream = 0;  // of the module: a hash of its path
  uint64_t step = 0;    // training step
};

// Words 0 to 3 of block `counter`, which are elements 4 * counter to 4 * counter + 3 of the stream.
constexpr RandomBlock philox(const RandomKey& key, uint64_t counter) {
  // Counter (128 bits): block number and step. Key (64 bits): a mix of seed and stream.
  const uint64_t mixed = key.seed * 0x9e3779b97f4a7c15u ^ key.stream;
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(key.step), c3 = static_cast<uint32_t>(key.step >> 32);
  uint32_t k0 = static_cast<uint32_t>(mixed), k1 = static_cast<uint32_t>(mixed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xd2511f53u} * c0;
    const uint64_t p1 = uint64_t{0xcd9e8d57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in (0, 1]; never 0, so that its logarithm is finite.
constexpr float to_uniform(uint32_t word) { return static_cast<float>((word >> 8) + 1) * 0x1p-24f; }

}  // namespace ripieno::kernels
