// ImageData: labeled images from an HDF5 file, in memory.
#pragma once

#include <cstdint>
#include <string>

#include "ripieno/core/tensor.h"

namespace ripieno::io {

// Copies share the tensors.
struct ImageData {
  std::string name;         // path of the file, for messages
  Tensor images;            // (n, …), uint8 or float32
  Tensor labels;            // (n), int32, at least 0
  std::string fingerprint;  // hash of shape, type and content, 16 hexadecimal digits

  // Reads data sets `images` and `labels` of an HDF5 file. Images that are not uint8 are converted
  // to float32. Throws ConfigurationError if the file does not exist; DataError, naming the sample,
  // if a pixel is not finite, a label is not an integer of at least 0, or the shapes do not match.
  static ImageData read(const std::string& path, const std::string& images = "images",
                        const std::string& labels = "labels");
  int64_t size() const { return images.size(0); }
  int64_t classes() const;  // largest label + 1
};

}  // namespace ripieno::io
