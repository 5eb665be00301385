// ImageLoader: batches of labeled images from an HDF5 file, for training a classifier.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/io/data/batch_loader.h"
#include "ripieno/io/data/image_data.h"

namespace ripieno::io {

// Every fifth sample (4, 9, 14, …) is held out for validation; all others are training samples.
inline constexpr int64_t kHeldOutEvery = 5;

// Normalization of pixels: (pixel - mean) / deviation.
struct PixelScale {
  double mean = 0;
  double deviation = 1;
};

struct ImageLoaderOptions {
  int64_t batch_size = 0;  // images per batch, of all ranks together; at least 1
  uint64_t seed = 0;       // of the order of images
};

// Images as float32, normalized with `scale`. Targets are the labels, int32 scalars.
class ImageDataset final : public Dataset {
 public:
  ImageDataset(const ImageData& data, PixelScale scale) : data_(data), scale_(scale) {}

  int64_t size() const override { return data_.size(); }
  SampleLayout layout() const override;
  void read(int64_t index, const SampleRow& into) const override;
  std::string fingerprint() const override { return data_.fingerprint; }

 private:
  ImageData data_;
  PixelScale scale_;
};

// Batch::inputs is (rows, …) float32, normalized so that the pixels of all training images have
// mean 0 and standard deviation 1; Batch::targets is (rows) int32. Every training image once per
// epoch, shuffled; a batch may span two epochs.
class ImageLoader final : public BatchLoader {
 public:
  using Options = ImageLoaderOptions;

  // Throws ConfigurationError if batch_size is below 1; the second constructor also throws as
  // ImageData::read().
  ImageLoader(const ImageData& data, const Options& options, Part part = {});
  ImageLoader(const std::string& path, const Options& options, Part part = {});

  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

  const ImageData& data() const { return data_; }
  PixelScale pixel_scale() const { return scale_; }
  int64_t training_samples() const { return data_.size() - data_.size() / kHeldOutEvery; }

 private:
  ImageLoader(const ImageData& data, PixelScale scale, const Options& options, Part part);

  ImageData data_;
  PixelScale scale_;
  Part part_;
};

}  // namespace ripieno::io
