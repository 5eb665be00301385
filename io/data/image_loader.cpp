#include "ripieno/io/data/image_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/io/data/prefetcher.h"
#include "ripieno/io/data/sampler.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/formats/hdf5.h"

namespace ripieno::io {
namespace {

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw_data()), tensor.bytes()};
}

std::string fingerprint_of(const ImageData& data) {
  Hash hash;
  const std::string form =
      to_string(data.images.shape()) + std::string(name_of(data.images.dtype()));
  hash.add(std::as_bytes(std::span(form)));
  hash.add(bytes_of(data.images));
  hash.add(bytes_of(data.labels));
  return hexadecimal(hash.value());
}

void require_match(const ImageData& data) {
  const Shape& images = data.images.shape();
  const Shape& labels = data.labels.shape();
  if (images.rank() < 2 || labels.rank() != 1 || images[0] != labels[0] || images[0] == 0) {
    throw DataError(
        fmt::format("{}: images {} and labels {} do not go together; (n, …) and (n) are needed",
                    data.name, to_string(images), to_string(labels)));
  }
  const auto* first = data.labels.data<int32_t>();
  const auto least = std::min_element(first, first + labels[0]);
  if (*least < 0)
    throw DataError(
        fmt::format("{}: label {} of sample {} is negative", data.name, *least, least - first));
}

// The k-th sample that is trained on, and the k-th that is held out.
int64_t training_sample(int64_t k) { return k + k / (kHeldOutEvery - 1); }
int64_t held_out_sample(int64_t k) { return k * kHeldOutEvery + kHeldOutEvery - 1; }

// Calls visit(first pixel as its own type).
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

// Rows `rows` of a batch of `global_rows`, whose row r is sample sample_of(r).
template <typename SampleOf>
Batch make_batch(const ImageData& data, PixelScale scale, Rows rows, int64_t global_rows,
                 SampleOf sample_of) {
  const int64_t pixels = data.images.elements() / data.size();
  Shape shape = data.images.shape();
  shape[0] = rows.count();
  Batch batch{Tensor(shape), Tensor({rows.count()}, DType::int32), rows.begin, global_rows};
  const auto mean = static_cast<float>(scale.mean);
  const auto factor = static_cast<float>(1 / scale.deviation);
  visit_pixels(data.images, [&](const auto* first) {
    for (int64_t row = 0; row < rows.count(); ++row) {
      const int64_t sample = sample_of(rows.begin + row);
      const auto* image = first + sample * pixels;
      std::transform(image, image + pixels, batch.inputs.data<float>() + row * pixels,
                     [&](auto pixel) { return (static_cast<float>(pixel) - mean) * factor; });
      batch.targets.data<int32_t>()[row] = data.labels.data<int32_t>()[sample];
    }
  });
  return batch;
}

class ImageEvaluation final : public EvaluationSet {
 public:
  ImageEvaluation(const ImageData& data, PixelScale scale, int64_t batch_size, Part part)
      : data_(data), scale_(scale), batch_size_(batch_size), part_(part) {
    if (batch_size < 1) fail("image evaluation: the batch size must be at least 1");
  }

  int64_t batches() const override { return (samples() + batch_size_ - 1) / batch_size_; }

  Batch batch(int64_t index) const override {
    const int64_t begin = index * batch_size_;
    const int64_t global_rows = std::min(batch_size_, samples() - begin);
    return make_batch(data_, scale_, rows_of(part_, global_rows), global_rows,
                      [&](int64_t row) { return held_out_sample(begin + row); });
  }

 private:
  int64_t samples() const { return data_.size() / kHeldOutEvery; }

  ImageData data_;
  PixelScale scale_;
  int64_t batch_size_;
  Part part_;
};

}  // namespace

ImageData ImageData::read(const std::string& path, const std::string& images,
                          const std::string& labels) {
  if (!local_files().exists(path)) {
    throw ConfigurationError(
        fmt::format("data: there is no file {}; give the path of an HDF5 file", path));
  }
  const Hdf5File file(path);
  ImageData data{path, file.read(images), file.read(labels).to(DType::int32), ""};
  if (data.images.dtype() != DType::uint8) data.images = data.images.to(DType::float32);
  require_match(data);
  data.fingerprint = fingerprint_of(data);
  return data;
}

int64_t ImageData::classes() const {
  const auto* first = labels.data<int32_t>();
  return *std::max_element(first, first + size()) + int64_t{1};
}

ImageLoader::ImageLoader(const ImageData& data, const Options& options, Part part)
    : data_(data), options_(options), part_(part), scale_(scale_of(data, training_samples())) {
  if (options_.batch_size < 1)
    throw ConfigurationError("image loader: a batch of no samples; at least 1 is needed");
  const Sampler sampler(training_samples(), options_.seed);
  prefetcher_ = std::make_unique<Prefetcher>(
      [this, sampler](int64_t position) {
        return make_batch(data_, scale_, rows_of(part_, options_.batch_size), options_.batch_size,
                          [&](int64_t row) { return training_sample(sampler.at(position + row)); });
      },
      options_.batch_size);
}

ImageLoader::ImageLoader(const std::string& path, const Options& options, Part part)
    : ImageLoader(ImageData::read(path), options, part) {}

ImageLoader::~ImageLoader() = default;

Batch ImageLoader::next() { return prefetcher_->next(); }
int64_t ImageLoader::position() const { return prefetcher_->position(); }
void ImageLoader::seek(int64_t position) { prefetcher_->seek(position); }

std::unique_ptr<EvaluationSet> ImageLoader::held_out(int64_t batch_size) const {
  if (data_.size() < kHeldOutEvery) return nullptr;
  return std::make_unique<ImageEvaluation>(data_, scale_, batch_size, part_);
}

}  // namespace ripieno::io
