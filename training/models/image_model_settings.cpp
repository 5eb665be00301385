#include "ripieno/training/models/image_model_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ripieno/core/random.h"

namespace ripieno {
namespace {

const std::vector<std::string> kImageModels = {"mlp", "lenet", "resnet18", "resnet20", "resnet50"};

// With channels, height and width.
DataShape as_images(const DataShape& data) {
  if (data.height > 0) return data;
  DataShape images = data;
  for (const int64_t channels : {1, 3}) {
    const auto side =
        static_cast<int64_t>(std::sqrt(static_cast<double>(data.features / channels)) + 0.5);
    if (side < 1 || channels * side * side != data.features) continue;
    images.channels = channels;
    images.height = images.width = side;
    return images;
  }
  throw ConfigurationError(fmt::format(
      "{} values per sample are not those of a square image with 1 or 3 channels; give data.path, "
      "whose images have a height and a width, or use model.kind=mlp",
      data.features));
}

// Adds the parts of a model to what a sample costs.
struct WorkOfImages {
  ModelWork work;
  int64_t widest = 0;

  // A convolution whose output has `positions`.
  void add_convolution(int64_t positions, int64_t inputs, int64_t outputs, int64_t kernel) {
    work.products.push_back({positions, inputs * kernel * kernel, outputs, 1,
                             /*has_input_gradient=*/!work.products.empty(), false});
    keep(positions * outputs);
    pass(positions * outputs, 4);
  }
  void add_linear(int64_t inputs, int64_t outputs, bool is_last) {
    work.products.push_back({1, inputs, outputs, 1, true, false});
    keep(outputs, is_last ? 1 : 2);
    pass(outputs, is_last ? 4 : 6);
  }
  void keep(int64_t elements, int64_t times = 1) {
    work.kept.push_back({elements, times});
    widest = std::max(widest, elements);
  }
  // The result of a maximum pooling, with its indices, which take four bytes.
  void add_max_pool(int64_t elements) {
    keep(elements);
    work.kept.push_back({elements, 1, true});
    pass(elements, 12);
  }
  void pass(int64_t elements, double times) {
    work.element_wise_passes += times * static_cast<double>(elements);
  }
  ModelWork finished(const DataShape& data) {
    work.kept.push_back({2, 1, true});
    work.in_backward = {{widest, 2}};
    work.bytes_of_batch = 4 * (data.channels * data.height * data.width + 1);
    return std::move(work);
  }
};

// A batch norm with ReLU, after a convolution.
constexpr double kPassesOfNorm = 9, kPassesOfRelu = 5;

ModelWork work_of(const nn::LeNetOptions& o, const DataShape& data) {
  WorkOfImages sum;
  const int64_t first = o.height * o.width, height = o.height / 2, width = o.width / 2;
  const int64_t cut = 4 - 2 * nn::LeNet::second_padding(o);
  const int64_t second = (height - cut) * (width - cut);
  sum.add_convolution(first, o.inputs, o.channels[0], 5);
  sum.pass(first * o.channels[0], kPassesOfRelu);
  sum.add_max_pool(height * width * o.channels[0]);
  sum.add_convolution(second, o.channels[0], o.channels[1], 5);
  sum.pass(second * o.channels[1], kPassesOfRelu);
  int64_t inputs = nn::LeNet::features(o);
  sum.add_max_pool(inputs);
  for (const int64_t outputs : o.hidden) {
    sum.add_linear(inputs, outputs, false);
    inputs = outputs;
  }
  sum.add_linear(inputs, o.classes, true);
  return sum.finished(data);
}

struct Image {
  int64_t height, width;
  int64_t positions() const { return height * width; }
  Image halved() const { return {(height + 1) / 2, (width + 1) / 2}; }
};

// A convolution of `kernel` with its norm and, unless it ends a branch, ReLU. What a ReLU after a
// sum keeps is the sum.
void add_layer(WorkOfImages& sum, const Image& image, int64_t inputs, int64_t outputs,
               int64_t kernel) {
  const int64_t elements = image.positions() * outputs;
  sum.add_convolution(image.positions(), inputs, outputs, kernel);
  sum.keep(elements, 2);  // before and after ReLU
  sum.pass(elements, kPassesOfNorm + kPassesOfRelu);
}

void add_block(WorkOfImages& sum, const Image& before, const Image& image, int64_t inputs,
               int64_t width, bool bottleneck) {
  const int64_t outputs = bottleneck ? 4 * width : width;
  if (bottleneck) {
    add_layer(sum, before, inputs, width, 1);
    add_layer(sum, image, width, width, 3);
    add_layer(sum, image, width, outputs, 1);
  } else {
    add_layer(sum, image, inputs, width, 3);
    add_layer(sum, image, width, width, 3);
  }
  if (inputs != outputs || before.positions() != image.positions()) {
    sum.add_convolution(image.positions(), inputs, outputs, 1);
    sum.pass(image.positions() * outputs, kPassesOfNorm);
  }
  sum.pass(image.positions() * outputs, 3);
}

ModelWork work_of(const nn::ResNetOptions& o, const DataShape& data) {
  WorkOfImages sum;
  Image image{data.height, data.width};
  if (!o.small_images) image = image.halved();
  const int64_t first = image.positions() * o.width;
  sum.add_convolution(image.positions(), o.inputs, o.width, o.small_images ? 3 : 7);
  sum.keep(first, o.small_images ? 2 : 1);
  sum.pass(first, kPassesOfNorm + kPassesOfRelu);
  if (!o.small_images) {
    image = image.halved();
    sum.add_max_pool(image.positions() * o.width);
  }
  int64_t inputs = o.width;
  for (std::size_t stage = 0; stage < o.blocks.size(); ++stage) {
    for (int64_t block = 0; block < o.blocks[stage]; ++block) {
      const int64_t width = o.width << stage;
      const Image before = image;
      if (stage > 0 && block == 0) image = image.halved();
      add_block(sum, before, image, inputs, width, o.bottleneck);
      inputs = o.bottleneck ? 4 * width : width;
    }
  }
  // Nothing keeps the last block's result; the pooled one has one element per channel.
  sum.work.kept.push_back({-image.positions() * inputs, 1});
  sum.keep(inputs);
  sum.add_linear(inputs, o.classes, true);
  return sum.finished(data);
}

}  // namespace

DataShape data_shape_of(const Tensor& images, int64_t classes) {
  DataShape data{.classes = classes};
  data.features = images.size(0) > 0 ? images.elements() / images.size(0) : 0;
  if (images.rank() == 3 || images.rank() == 4) {
    data.channels = images.rank() == 4 ? images.size(1) : 1;
    data.height = images.size(-2);
    data.width = images.size(-1);
  }
  return data;
}

void ImageModelSettings::bind(Settings& settings) {
  settings.add("model.kind", &kind, "kind of model", Accepts::one_of(kImageModels));
  settings.add("model.hidden", &mlp.hidden,
               "width of each hidden linear layer of an mlp or lenet, a list from the first to the "
               "last; LeNet-5 has [120, 84]",
               Accepts::between(1, 1 << 20));
  settings.add("model.channels", &channels, "channels of the two convolutions of a lenet, a list",
               Accepts::between(1, 1 << 20));
  settings.add("model.width", &width,
               "channels of the first stage of a resnet; 0: 16 for resnet20, 64 for others",
               Accepts::between(0, 1 << 16));
}

std::unique_ptr<nn::Module> ImageModelSettings::build(const DataShape& data) const {
  if (kind == "mlp") return mlp.build(data);
  if (kind == "lenet") return std::make_unique<nn::LeNet>(lenet_options(data));
  return std::make_unique<nn::ResNet>(resnet_options(data));
}

ModelWork ImageModelSettings::work(const DataShape& data) const {
  if (kind == "mlp") return mlp.work(data);
  if (kind == "lenet") return work_of(lenet_options(data), as_images(data));
  return work_of(resnet_options(data), as_images(data));
}

std::function<Loss()> ImageModelSettings::loss_of_random_rows(nn::Module& model,
                                                              const DataShape& data,
                                                              int64_t rows) const {
  if (kind == "mlp") return mlp.loss_of_random_rows(model, data, rows);
  const DataShape image = as_images(data);
  std::mt19937 random(1);
  std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(data.classes - 1));
  std::vector<int32_t> classes(static_cast<std::size_t>(rows));
  for (int32_t& label : classes) label = draw(random);
  Tensor x({rows, image.channels, image.height, image.width}, DType::float32);
  fill_normal(x, 0.0, 1.0, {});
  x = x.to(model.parameters().values().dtype());
  return [&model, x, targets = Tensor::of<int32_t>({rows}, classes)] {
    return cross_entropy(model(x), targets);
  };
}

Tensor ImageModelSettings::inputs_of(const Tensor& images, const DataShape& data) const {
  if (kind == "mlp") return images.reshape({images.size(0), data.features});
  const DataShape image = as_images(data);
  return images.reshape({images.size(0), image.channels, image.height, image.width});
}

nn::LeNetOptions ImageModelSettings::lenet_options(const DataShape& data) const {
  const DataShape image = as_images(data);
  return {.inputs = image.channels,
          .height = image.height,
          .width = image.width,
          .classes = data.classes,
          .channels = channels,
          .hidden = mlp.hidden};
}

nn::ResNetOptions ImageModelSettings::resnet_options(const DataShape& data) const {
  const DataShape image = as_images(data);
  nn::ResNetOptions options = kind == "resnet20"   ? nn::resnet20(image.channels, data.classes)
                              : kind == "resnet50" ? nn::resnet50(image.channels, data.classes)
                                                   : nn::resnet18(image.channels, data.classes);
  if (width > 0) options.width = width;
  return options;
}

}  // namespace ripieno
