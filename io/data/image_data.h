// ImageData: labelled images out of an HDF5 file.
#pragma once

#include <cstdint>
#include <string>

#include "ripieno/core/tensor.h"

namespace ripieno::io {

// All images and labels, in memory. Copies share them.
struct ImageData {
  std::string name;         // where they came from, for messages
  Tensor images;            // (n, …), uint8 or float32
  Tensor labels;            // (n), int32, at least 0
  std::string fingerprint;  // 16 hexadecimal digits of the content

  // Data sets `images` and `labels` of an HDF5 file. Throws ConfigurationError where there is none,
  // and DataError, with the sample, where a pixel is not finite, a label is not a whole number from
  // 0 on, or the shapes do not match.
  static ImageData read(const std::string& path, const std::string& images = "images",
                        const std::string& labels = "labels");
  int64_t size() const { return images.size(0); }
  int64_t classes() const;  // one more than the largest label
};

}  // namespace ripieno::io
