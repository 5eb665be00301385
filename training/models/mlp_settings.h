// MlpSettings: the configuration keys of an MLP (core/models/mlp.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/models/mlp.h"
#include "ripieno/training/models/model_settings.h"

namespace ripieno {

struct MlpSettings final : ModelSettings {
  void bind(Settings& settings) override;
  std::unique_ptr<nn::Module> build(const DataShape& data) const override;
  ModelWork work(const DataShape& data) const override;
  std::function<Loss()> loss_of_random_rows(nn::Module& model, const DataShape& data,
                                            int64_t rows) const override;
  // The width of each layer: input, hidden layers, output.
  std::vector<int64_t> sizes_for(int64_t features, int64_t classes) const;

  std::string kind = "mlp";
  std::vector<int64_t> hidden = {128};
};

}  // namespace ripieno
