// BatchLoader: batches of any Dataset, for training and for validation; threads read ahead.
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
  int64_t batch_size = 0;  // samples, of all ranks together
  Order order = {};        // by default every sample in turn, again and again
  // Held out for validation, each sample once; nothing by default.
  std::shared_ptr<const Dataset> validation = {};
  int threads = 1;  // that read samples, beside the one that trains
  int ahead = 2;    // batches made ahead; at least 1, and no fewer than threads keep all busy
};

class BatchLoader : public Loader {
 public:
  using Options = BatchLoaderOptions;

  // Throws ConfigurationError where the data set is empty or the batch has no samples.
  BatchLoader(std::shared_ptr<const Dataset> data, const Options& options, Part part = {});
  ~BatchLoader() override;

  Batch next() override;
  int64_t position() const override;
  void seek(int64_t position) override;

  int64_t batch_size() const override { return options_.batch_size; }
  std::string_view unit() const override { return data_->unit(); }
  int64_t units_per_sample() const override { return data_->units_per_sample(); }
  std::string fingerprint() const override { return data_->fingerprint(); }
  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

 private:
  std::shared_ptr<const Dataset> data_;
  Options options_;
  Part part_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

// Samples order(0) .. order(samples - 1) of a data set; by default all, in their order.
class EvaluationBatches : public EvaluationSet {
 public:
  // Throws ConfigurationError where the batch has no samples.
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
