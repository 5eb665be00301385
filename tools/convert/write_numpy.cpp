#include <fmt/format.h>

#include <set>

#include "ripieno/core/error.h"
#include "ripieno/tools/convert/conversion.h"
#include "ripieno/tools/convert/write_output.h"

namespace ripieno::tools {
namespace {

std::string_view numpy_name_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "<f4";
    case DType::float16:
      return "<f2";
    case DType::float64:
      return "<f8";
    case DType::int64:
      return "<i8";
    case DType::int32:
      return "<i4";
    case DType::uint8:
      return "|u1";
    case DType::boolean:
      return "|b1";
    case DType::bfloat16:
      break;
  }
  fail("convert: NumPy has no element type bfloat16");
}

std::string shape_tuple(const Shape& shape) {
  return fmt::format("({}{})", fmt::join(shape.begin(), shape.end(), ", "),
                     shape.rank() == 1 ? "," : "");
}

// Version 1.0 of the .npy format: magic, version, length of the header, and the header, a Python
// dictionary padded so that the data after it is aligned to 64 bytes.
std::string npy_header(DType dtype, const Shape& shape) {
  constexpr std::size_t kAlignment = 64, kFixedBytes = 10;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 numpy_name_of(dtype), shape_tuple(shape));
  text.append(kAlignment - 1 - (kFixedBytes + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

// The file name for a tensor: characters outside [A-Za-z0-9._-] are escaped as %XX.
std::string file_name_of(const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    escaped += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return escaped + ".npy";
}

void write_tensor(io::FileSystem& files, const std::string& path, Tensor tensor) {
  if (tensor.dtype() == DType::bfloat16) tensor = tensor.to(DType::float32);
  const std::string header = npy_header(tensor.dtype(), tensor.shape());
  const auto file = files.create(path);
  file->append(std::as_bytes(std::span(header)));
  file->append({static_cast<const std::byte*>(tensor.raw_data()), tensor.bytes()});
  file->sync();
}

}  // namespace

void write_numpy(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                 bool force, const Written& written) {
  write_output(files, path, force, [&](const std::string& temporary) {
    files.make_directories(temporary);
    for (const Target& target : conversion.targets) {
      write_tensor(files, temporary + "/" + file_name_of(target.name),
                   converted(conversion, target));
      written(target.bytes());
    }
    files.sync_directory(temporary);
  });
}

}  // namespace ripieno::tools
