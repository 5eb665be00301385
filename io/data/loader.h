// Loader: batches for training, in an order that is a pure function of (seed, position), for any
// model.
//
// N ranks with a Part each get, together and in rank order, exactly the batch that one rank gets
// alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ripieno/io/data/batch.h"
#include "ripieno/io/part.h"

namespace ripieno::io {

// Held-out samples, each exactly once, in order. Any thread may call it.
class EvaluationSet {
 public:
  virtual ~EvaluationSet() = default;
  // The same on every rank.
  virtual int64_t batches() const = 0;
  // In the last batch a rank may have no rows at all.
  virtual Batch batch(int64_t index) const = 0;
};

// One thread at a time.
class Loader {
 public:
  virtual ~Loader() = default;

  // Throws what reading the data throws. With fewer rows than ranks, some ranks have none.
  virtual Batch next() = 0;
  // The samples that all ranks have taken together since the run began: what a resumed run must
  // know.
  virtual int64_t position() const = 0;
  virtual void seek(int64_t position) = 0;

  // Samples in a batch, of all ranks together.
  virtual int64_t batch_size() const = 0;
  // What the progress of training is counted in, "tokens" or "samples", and how many a sample has.
  virtual std::string_view unit() const = 0;
  virtual int64_t units_per_sample() const = 0;
  // Names the data set by its content.
  virtual std::string fingerprint() const = 0;
  // What is held out for validation, in batches of `batch_size` samples; null where nothing is.
  virtual std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const = 0;
};

}  // namespace ripieno::io
