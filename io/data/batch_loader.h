// BatchLoader: batches of any Dataset, for training and validation, read ahead by background
// threads.
//
//   auto data = std::make_shared<MyData>(…);
//   BatchLoader loader(data, {.batch_size = 64, .order = shuffled(data->size(), seed)}, session);
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/io/data/dataset.h"
#include "ripieno/io/data/loader.h"

namespace ripieno::io {

class Prefetcher;

struct BatchLoaderOptions {
  int64_t batch_size = 0;  // samples per batch, of all ranks together; at least 1
  Order order = {};        // default: all samples in order of their indices, repeatedly
  // Data set for validation, from which held_out() takes each sample once. Default: none.
  std::shared_ptr<const Dataset> validation = {};
  int threads = 1;  // background threads that read samples; at least 1
  int ahead = 2;    // batches prepared in advance; at least 1, at least `threads` to keep all busy
  // skip: a row whose sample cannot be read (DataError, StorageError) has inputs of 0 and targets
  // that are ignored, which must be int32. All other rows are the same as without the error.
  OnDataError on_error = OnDataError::stop;
};

class BatchLoader : public Loader {
 public:
  using Options = BatchLoaderOptions;

  // Starts the threads. Every rank constructs one with the same data and options, and its own
  // `part`; a Session converts to a Part. Throws ConfigurationError if the data set is empty or an
  // option or the part is out of range.
  BatchLoader(std::shared_ptr<const Dataset> data, const Options& options, Part part = {});
  ~BatchLoader() override;

  // Throws DataError if the order gives an index outside the data set.
  Batch next() override;
  int64_t position() const override;
  void seek(int64_t position) override;

  int64_t batch_size() const override { return options_.batch_size; }
  std::string_view unit() const override { return data_->unit(); }
  int64_t units_per_sample() const override { return data_->units_per_sample(); }
  int reader_threads() const override { return options_.threads; }
  std::optional<SkippedData> skipped() const override;
  std::string fingerprint() const override { return data_->fingerprint(); }
  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

 private:
  std::shared_ptr<const Dataset> data_;
  Options options_;
  Part part_;
  std::unique_ptr<Prefetcher> prefetcher_;
  bool is_first_ = true;  // no batch was returned yet
  SkippedData skipped_;   // of the batches that were returned
};

// Batches of samples order(0) .. order(samples - 1) of a data set; by default all samples in order
// of their indices.
class EvaluationBatches : public EvaluationSet {
 public:
  // `batch_size`: samples of all ranks together. Throws ConfigurationError if it is below 1
  // or the part is out of range.
  EvaluationBatches(std::shared_ptr<const Dataset> data, int64_t batch_size, Part part = {});
  EvaluationBatches(std::shared_ptr<const Dataset> data, int64_t samples, Order order,
                    int64_t batch_size, Part part = {});

  int64_t batches() const override;
  Batch batch(int64_t index) const override;

 private:
  std::shared_ptr<const Dataset> data_;
  int64_t samples_;
  Order order_;
  int64_t batch_size_;
  Part part_;
};

}  // namespace ripieno::io
