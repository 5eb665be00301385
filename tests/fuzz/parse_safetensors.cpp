#include <algorithm>
#include <string>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/formats/safetensors.h"

namespace ripieno::fuzz {
namespace {

bool read(std::string_view file) {
  const auto file_bytes = static_cast<int64_t>(file.size());
  try {
    const int64_t header_bytes =
        io::safetensors_header_bytes(file.substr(0, io::kSafetensorsPrefixBytes), file_bytes);
    const int64_t begin = io::kSafetensorsPrefixBytes + header_bytes;
    require(header_bytes >= 0 && begin <= file_bytes, "the header is within the file");
    int64_t end = begin;
    for (const auto& tensor :
         io::parse_safetensors(file.substr(0, static_cast<std::size_t>(begin)), file_bytes)
             .tensors) {
      require(tensor.file_offset == end, "tensors are contiguous");
      require(tensor.bytes == tensor.shape.elements() * static_cast<int64_t>(size_of(tensor.dtype)),
              "the size of a tensor matches its shape");
      require(dense_strides(tensor.shape).rank() == tensor.shape.rank(),
              "the strides fit into 64 bits");
      end += tensor.bytes;
    }
    require(end == file_bytes, "the tensors end at the end of the file");
    return true;
  } catch (const DataError&) {
    return false;
  }
}

// A file with `json` as the header, followed by `tensor_bytes` bytes of data.
std::string with_length(std::string_view json, std::size_t tensor_bytes) {
  std::string file;
  for (std::size_t length = json.size(), i = 0; i < 8; ++i, length >>= 8)
    file += static_cast<char>(length & 0xff);
  return file.append(json).append(tensor_bytes, '\0');
}

}  // namespace

bool parse_safetensors(std::string_view bytes) {
  const bool is_file = read(bytes);
  if (bytes.empty()) return is_file;
  const auto tensor_bytes = static_cast<std::size_t>(static_cast<unsigned char>(bytes.front()));
  return read(with_length(bytes.substr(1), tensor_bytes)) || is_file;
}

}  // namespace ripieno::fuzz
