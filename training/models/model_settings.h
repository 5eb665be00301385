// ModelSettings: the configuration keys of one kind of model, and the model built from them.
//
// To add a kind of model, derive a class and add a row to model_kinds.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "ripieno/core/loss.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/training/models/model_work.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

// The sizes of a model that follow from the data; each kind of model reads those that it needs.
struct DataShape {
  int64_t vocabulary = 0;  // distinct tokens
  int64_t features = 0;    // values per sample
  int64_t classes = 0;
  int64_t channels = 0, height = 0, width = 0;  // of a sample that is an image; 0: not known
};

class ModelSettings {
 public:
  virtual ~ModelSettings() = default;

  // Adds the keys of this kind, including model.kind, to `settings`. This object must outlive
  // `settings`.
  virtual void bind(Settings& settings) = 0;
  // Builds the model. Throws ConfigurationError if the settings contradict each other or the data.
  virtual std::unique_ptr<nn::Module> build(const DataShape& data) const = 0;
  // Whether the data are tokens of a text; otherwise they are samples of features.
  virtual bool reads_tokens() const { return false; }
  // What a sample costs. Throws as build() does.
  virtual ModelWork work(const DataShape& data) const = 0;
  // The loss of `rows` samples of random data, at each call, to measure a step without the data.
  // `model`: the result of build(data), on the CPU; it must outlive the result.
  virtual std::function<Loss()> loss_of_random_rows(nn::Module& model, const DataShape& data,
                                                    int64_t rows) const = 0;
};

}  // namespace ripieno
