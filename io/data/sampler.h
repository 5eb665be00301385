// Sampler: a shuffled order of samples as a pure function of (seed, position).
//
// There is no shuffled list and no state, so any rank can compute any position of any epoch in
// constant time, and a run resumes from a single number.
#pragma once

#include <cstdint>

namespace ripieno::io {

// Every sample once per epoch, in a different order in each epoch: a Feistel network over the
// smallest 4^k >= size, keyed by (seed, epoch), iterated until the result is below size
// (cycle-walking: J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
// Thread-safe.
class Sampler {
 public:
  // Throws Error if size is below 1.
  Sampler(int64_t size, uint64_t seed);

  int64_t size() const { return size_; }
  // The sample at `position`, counted from the start of the run: epoch = position / size.
  int64_t at(int64_t position) const { return at(position / size_, position % size_); }
  // The sample at `index` of an epoch, 0 <= index < size.
  int64_t at(int64_t epoch, int64_t index) const;

 private:
  uint64_t permuted(uint64_t epoch, uint64_t value) const;

  int64_t size_;
  uint64_t seed_;
  int half_bits_;  // the network's domain is [0, 4^half_bits_)
};

// A random integer in [0, bound), uniform and independent for each (seed, position); the bias is
// below bound / 2^64.
int64_t random_index(uint64_t seed, int64_t position, int64_t bound);

}  // namespace ripieno::io
