// ModelSettings: what a configuration says of one kind of model, and the model that this makes.
//
// A new kind is a class here, and a row in model_kinds.cpp.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/nn/module.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

// What the data decide of a model; each kind reads what it needs.
struct DataShape {
  int64_t vocabulary = 0;  // tokens that texts consist of
  int64_t features = 0;    // numbers in a sample
  int64_t classes = 0;
};

class ModelSettings {
 public:
  virtual ~ModelSettings() = default;

  // Adds the keys of this kind, model.kind among them, to a table; this must outlive it.
  virtual void bind(Settings& settings) = 0;
  // Throws ConfigurationError where the settings do not fit each other, or the data.
  virtual std::unique_ptr<nn::Module> build(const DataShape& data) const = 0;
};

}  // namespace ripieno
