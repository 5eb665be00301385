// ImageLoader: labelled images out of an HDF5 file, for training a classifier.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/io/data/loader.h"

namespace ripieno::io {

class Prefetcher;

// All images and labels, in memory. Copies share them.
struct ImageData {
  std::string name;         // where they came from, for messages
  Tensor images;            // (n, …), uint8 or float32
  Tensor labels;            // (n), int32, at least 0
  std::string fingerprint;  // 16 hexadecimal digits of the content

  // Data sets `images` and `labels` of an HDF5 file. Throws ConfigurationError where there is none,
  // DataError where they do not go together.
  static ImageData read(const std::string& path, const std::string& images = "images",
                        const std::string& labels = "labels");
  int64_t size() const { return images.size(0); }
  int64_t classes() const;  // one more than the largest label
};

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

// Batch::inputs is (rows, …) float32, shifted and scaled so that the pixels of all training images
// have mean 0 and deviation 1; Batch::targets is (rows), int32. Every image once an epoch; a batch
// may span two epochs.
class ImageLoader final : public Loader {
 public:
  using Options = ImageLoaderOptions;

  // Throws ConfigurationError where a rank would get no row.
  ImageLoader(const ImageData& data, const Options& options, Part part = {});
  ImageLoader(const std::string& path, const Options& options, Part part = {});
  ~ImageLoader() override;

  Batch next() override;
  int64_t position() const override;
  void seek(int64_t position) override;

  int64_t batch_size() const override { return options_.batch_size; }
  std::string_view unit() const override { return "samples"; }
  int64_t units_per_sample() const override { return 1; }
  std::string fingerprint() const override { return data_.fingerprint; }
  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

  const ImageData& data() const { return data_; }
  PixelScale pixel_scale() const { return scale_; }
  int64_t training_samples() const { return data_.size() - data_.size() / kHeldOutEvery; }

 private:
  ImageData data_;
  Options options_;
  Part part_;
  PixelScale scale_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

}  // namespace ripieno::io
