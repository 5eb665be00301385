// Sampler: the order in which a loader visits samples, as a pure function of (seed, position).
//
// Nothing is shuffled in memory and nothing is remembered, so any rank can ask for any position of
// any epoch at once, and a run resumes where it was by knowing one number.
#pragma once

#include <cstdint>

namespace ripieno::io {

// Every sample once an epoch, in an order of its own for each epoch: a Feistel network over
// the smallest 4^k >= size, keyed by (seed, epoch), walked along its cycle until it lands below
// size (J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
class Sampler {
 public:
  // Throws Error where size is below 1.
  Sampler(int64_t size, uint64_t seed);

  int64_t size() const { return size_; }
  // The sample at `position`, counted from the start of the run: epoch = position / size.
  int64_t at(int64_t position) const { return at(position / size_, position % size_); }
  // The sample at place `place` of [0, size) in an epoch.
  int64_t at(int64_t epoch, int64_t place) const;

 private:
  uint64_t permuted(uint64_t epoch, uint64_t value) const;

  int64_t size_;
  uint64_t seed_;
  int half_bits_;  // the network's domain is [0, 4^half_bits_)
};

// A number in [0, bound), uniform and independent for each (seed, position). The bias is below
// bound / 2^64.
int64_t random_index(uint64_t seed, int64_t position, int64_t bound);

}  // namespace ripieno::io
