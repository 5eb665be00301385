// ImageModelSettings: the configuration keys of the models that classify images: an MLP, LeNet and
// ResNets (core/models).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/models/lenet.h"
#include "ripieno/core/models/resnet.h"
#include "ripieno/training/models/mlp_settings.h"
#include "ripieno/training/models/model_settings.h"

namespace ripieno {

// The sizes that follow from labeled images (n, …). Images of two axes have one channel; those of
// three are (channels, height, width).
DataShape data_shape_of(const Tensor& images, int64_t classes);

struct ImageModelSettings final : ModelSettings {
  explicit ImageModelSettings(std::string initial_kind = "mlp") : kind(std::move(initial_kind)) {}

  void bind(Settings& settings) override;
  std::unique_ptr<nn::Module> build(const DataShape& data) const override;
  ModelWork work(const DataShape& data) const override;
  std::function<Loss()> loss_of_random_rows(nn::Module& model, const DataShape& data,
                                            int64_t rows) const override;
  // Images (rows, …) in the shape that the model takes: (rows, features) for an MLP, else (rows,
  // channels, height, width).
  Tensor inputs_of(const Tensor& images, const DataShape& data) const;

  // The options of a LeNet or a ResNet for images of this shape. If only the number of features is
  // known, images are squares with one channel or three. Throws ConfigurationError if they cannot
  // be.
  nn::LeNetOptions lenet_options(const DataShape& data) const;
  nn::ResNetOptions resnet_options(const DataShape& data) const;

  std::string kind;
  MlpSettings mlp;                          // hidden: also of a LeNet
  std::vector<int64_t> channels = {6, 16};  // of the convolutions of a LeNet
  int64_t width = 0;                        // of a ResNet; 0: that of its kind
};

}  // namespace ripieno
