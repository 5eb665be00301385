// ImageLoader: labelled images out of an HDF5 file, for training a classifier.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/io/data/batch_loader.h"
#include "ripieno/io/data/image_data.h"

namespace ripieno::io {

// Every fifth sample (4, 9, 14, …) is held out for validation; the others are trained on.
inline constexpr int64_t kHeldOutEvery = 5;

// What a model sees of a pixel: (pixel - mean) / deviation.
struct PixelScale {
  double mean = 0;
  double deviation = 1;
};

struct ImageLoaderOptions {
  int64_t batch_size = 0;  // images, of all ranks together
  uint64_t seed = 0;
};

// Images in memory as float32, shifted and scaled. Targets are the labels, int32.
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

// Batch::inputs is (rows, …) float32, shifted and scaled so that the pixels of all training images
// have mean 0 and deviation 1; Batch::targets is (rows), int32. Every image once an epoch; a batch
// may span two epochs.
class ImageLoader final : public BatchLoader {
 public:
  using Options = ImageLoaderOptions;

  // Throws ConfigurationError where the batch is empty.
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
