#include "ripieno/io/data/image_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "ripieno/core/error.h"
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

void require_match(const ImageData& data, const Shape& labels) {
  const Shape& images = data.images.shape();
  if (images.rank() < 2 || labels.rank() != 1 || images[0] != labels[0] || images.elements() == 0) {
    throw DataError(
        fmt::format("{}: images have shape {}, labels have shape {}; they must be (n, …) and (n), "
                    "with at least one pixel",
                    data.name, to_string(images), to_string(labels)));
  }
}

void require_finite_pixels(const ImageData& data) {
  if (data.images.dtype() == DType::uint8) return;
  const auto* first = data.images.data<float>();
  const auto* last = first + data.images.elements();
  const auto* found =
      std::find_if_not(first, last, [](float pixel) { return std::isfinite(pixel); });
  if (found == last) return;
  const int64_t pixels = data.images.elements() / data.size();
  throw DataError(
      fmt::format("{}: pixel {} of sample {} is {}; every pixel must be a finite float32 number",
                  data.name, (found - first) % pixels, (found - first) / pixels, *found));
}

// Converts labels of any element type to (n) int32. Each must be an integer of at least 0.
Tensor exact_labels(const std::string& name, const Tensor& labels) {
  const auto numbers = labels.to(DType::float64).to_vector<double>();
  constexpr double kLargest = std::numeric_limits<int32_t>::max();
  const auto is_label = [](double x) { return x >= 0 && x <= kLargest && x == std::floor(x); };
  const auto found = std::find_if_not(numbers.begin(), numbers.end(), is_label);
  if (found == numbers.end()) return labels.to(DType::int32);
  throw DataError(fmt::format(
      "{}: label {} of sample {} is not a class index; labels must be integers from 0 to {}", name,
      *found, found - numbers.begin(), kLargest));
}

}  // namespace

ImageData ImageData::read(const std::string& path, const std::string& images,
                          const std::string& labels) {
  if (!local_files().exists(path)) {
    throw ConfigurationError(
        fmt::format("data: file {} does not exist; give the path of an HDF5 file", path));
  }
  const Hdf5File file(path);
  const Tensor stored_labels = file.read(labels);
  ImageData data{path, file.read(images), {}, ""};
  require_match(data, stored_labels.shape());
  if (data.images.dtype() != DType::uint8) data.images = data.images.to(DType::float32);
  require_finite_pixels(data);
  data.labels = exact_labels(path, stored_labels);
  data.fingerprint = fingerprint_of(data);
  return data;
}

int64_t ImageData::classes() const {
  const auto* first = labels.data<int32_t>();
  return *std::max_element(first, first + size()) + int64_t{1};
}

}  // namespace ripieno::io
