#include "ripieno/io/data/image_loader.h"

#include <algorithm>
#include <cmath>

#include "ripieno/io/data/sampler.h"

namespace ripieno::io {
namespace {

// Indices in the data of the k-th training sample and of the k-th held-out sample.
int64_t training_sample(int64_t k) { return k + k / (kHeldOutEvery - 1); }
int64_t held_out_sample(int64_t k) { return k * kHeldOutEvery + kHeldOutEvery - 1; }

int64_t training_samples_of(const ImageData& data) {
  return data.size() - data.size() / kHeldOutEvery;
}

Order shuffled_for_training(const ImageData& data, const ImageLoaderOptions& options) {
  return [sampler = Sampler(training_samples_of(data), options.seed)](int64_t position) {
    return training_sample(sampler.at(position));
  };
}

// Calls visit() with a pointer to the first pixel in the element type of the images.
template <typename Visit>
void visit_pixels(const Tensor& images, Visit visit) {
  if (images.dtype() == DType::uint8) {
    visit(images.data<uint8_t>());
  } else {
    visit(images.data<float>());
  }
}

PixelScale scale_of(const ImageData& data, int64_t training_samples) {
  const int64_t pixels = data.images.elements() / data.size();
  double sum = 0, squares = 0;
  visit_pixels(data.images, [&](const auto* first) {
    for (int64_t k = 0; k < training_samples; ++k) {
      const auto* image = first + training_sample(k) * pixels;
      for (int64_t i = 0; i < pixels; ++i) {
        sum += image[i];
        squares += static_cast<double>(image[i]) * image[i];
      }
    }
  });
  const auto count = static_cast<double>(training_samples * pixels);
  const double variance = squares / count - sum / count * (sum / count);
  return {sum / count, variance > 0 ? std::sqrt(variance) : 1.0};
}

}  // namespace

SampleLayout ImageDataset::layout() const {
  Shape image;
  for (int axis = 1; axis < data_.images.rank(); ++axis) image.push_back(data_.images.size(axis));
  return {.inputs = {image, DType::float32}, .targets = {{}, DType::int32}};
}

void ImageDataset::read(int64_t index, const SampleRow& into) const {
  const auto pixels = into.inputs<float>();
  const auto mean = static_cast<float>(scale_.mean);
  const auto factor = static_cast<float>(1 / scale_.deviation);
  visit_pixels(data_.images, [&](const auto* first) {
    const auto* image = first + index * static_cast<int64_t>(pixels.size());
    std::transform(image, image + pixels.size(), pixels.data(),
                   [&](auto pixel) { return (static_cast<float>(pixel) - mean) * factor; });
  });
  into.targets<int32_t>()[0] = data_.labels.data<int32_t>()[index];
}

ImageLoader::ImageLoader(const ImageData& data, PixelScale scale, const Options& options, Part part)
    : BatchLoader(std::make_shared<const ImageDataset>(data, scale),
                  {.batch_size = options.batch_size, .order = shuffled_for_training(data, options)},
                  part),
      data_(data),
      scale_(scale),
      part_(part) {}

ImageLoader::ImageLoader(const ImageData& data, const Options& options, Part part)
    : ImageLoader(data, scale_of(data, training_samples_of(data)), options, part) {}

ImageLoader::ImageLoader(const std::string& path, const Options& options, Part part)
    : ImageLoader(ImageData::read(path), options, part) {}

std::unique_ptr<EvaluationSet> ImageLoader::held_out(int64_t batch_size) const {
  if (data_.size() < kHeldOutEvery) return nullptr;
  return std::make_unique<EvaluationBatches>(std::make_shared<const ImageDataset>(data_, scale_),
                                             data_.size() / kHeldOutEvery, held_out_sample,
                                             batch_size, part_);
}

}  // namespace ripieno::io
