#include "ripieno/training/models/mlp_settings.h"

namespace ripieno {

void MlpSettings::bind(Settings& settings) {
  settings.add("model.kind", &kind, "kind of model", Accepts::one_of({"mlp"}));
  settings.add("model.hidden", &hidden,
               "width of each hidden layer, a list from the first to the last",
               Accepts::between(1, 1 << 20));
}

std::unique_ptr<nn::Module> MlpSettings::build(const DataShape& data) const {
  return std::make_unique<nn::Mlp>(sizes_for(data.features, data.classes));
}

std::vector<int64_t> MlpSettings::sizes_for(int64_t features, int64_t classes) const {
  std::vector<int64_t> sizes = {features};
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(classes);
  return sizes;
}

}  // namespace ripieno
