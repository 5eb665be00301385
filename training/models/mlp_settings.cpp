#include "ripieno/training/models/mlp_settings.h"

#include <algorithm>
#include <random>

#include "ripieno/core/random.h"

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

ModelWork MlpSettings::work(const DataShape& data) const {
  const std::vector<int64_t> sizes = sizes_for(data.features, data.classes);
  ModelWork work;
  int64_t widest = 0;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const int64_t outputs = sizes[i + 1];
    work.products.push_back({1, sizes[i], outputs, 1, /*has_input_gradient=*/i > 0, false});
    const bool is_last = i + 2 == sizes.size();
    work.kept.push_back({outputs, is_last ? 1 : 2});  // after and, if there is one, before ReLU
    work.element_wise_passes += static_cast<double>(outputs) * (is_last ? 4 : 6);
    widest = std::max(widest, outputs);
  }
  work.kept.push_back({2, 1, true});
  work.in_backward = {{widest, 2}};
  work.bytes_of_batch = 4 * (sizes.front() + 1);
  return work;
}

std::function<Loss()> MlpSettings::loss_of_random_rows(nn::Module& model, const DataShape& data,
                                                       int64_t rows) const {
  auto& mlp = dynamic_cast<nn::Mlp&>(model);
  std::mt19937 random(1);
  std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(data.classes - 1));
  std::vector<int32_t> classes(static_cast<std::size_t>(rows));
  for (int32_t& label : classes) label = draw(random);
  Tensor x({rows, data.features}, DType::float32);
  fill_normal(x, 0.0, 1.0, {});
  x = x.to(mlp.parameters().values().dtype());
  return [&mlp, x, targets = Tensor::of<int32_t>({rows}, classes)] { return mlp.loss(x, targets); };
}

std::vector<int64_t> MlpSettings::sizes_for(int64_t features, int64_t classes) const {
  std::vector<int64_t> sizes = {features};
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(classes);
  return sizes;
}

}  // namespace ripieno
