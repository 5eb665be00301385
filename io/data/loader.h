// Loader: the interface through which a training run reads batches.
//
// The order of samples is a pure function of (seed, position). Each rank has its own loader with
// its own Part; the rows of N ranks, concatenated in rank order, are exactly the batch of a single
// rank.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/data/batch.h"
#include "ripieno/io/part.h"

namespace ripieno::io {

// Held-out samples, each exactly once, in a fixed order. Thread-safe.
class EvaluationSet {
 public:
  virtual ~EvaluationSet() = default;
  // Number of batches; the same on every rank.
  virtual int64_t batches() const = 0;
  // This rank's rows of batch `index`, 0 .. batches() - 1. The last batch may be smaller, and a
  // rank may have no rows of it.
  virtual Batch batch(int64_t index) const = 0;
};

// Not thread-safe: one thread at a time.
class Loader {
 public:
  virtual ~Loader() = default;

  // This rank's rows of the next batch; blocks until it is ready. Every rank calls it once per
  // step. A rank has no rows if there are fewer rows than ranks. Rethrows errors of reading the
  // data.
  virtual Batch next() = 0;
  // Number of samples that all ranks together have consumed since the start of the run; the same on
  // every rank. Saved in checkpoints; seek() to it when resuming, which throws DataError for a
  // position that no run reaches.
  virtual int64_t position() const = 0;
  virtual void seek(int64_t position) = 0;

  // Samples per batch, of all ranks together.
  virtual int64_t batch_size() const = 0;
  // What progress is counted in, "tokens" or "samples", and the (average) number per sample.
  virtual std::string_view unit() const = 0;
  virtual int64_t units_per_sample() const = 0;
  // Number of background threads that read samples; 0: unknown or none.
  virtual int reader_threads() const { return 0; }
  // What was left out since the loader was constructed; the sum of the counts of all ranks counts
  // each document and each row once. nullopt if an error stops the run instead.
  virtual std::optional<SkippedData> skipped() const { return std::nullopt; }
  // Identifies the content of the data set.
  virtual std::string fingerprint() const = 0;
  // The samples held out for validation, in batches of `batch_size` samples of all ranks together;
  // null if there are none.
  virtual std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const = 0;
};

}  // namespace ripieno::io
