// Reader and writer for safetensors, the tensor file format of Hugging Face. Both stream: only the
// header is kept in memory.
//
// A file is the length of its header (8 bytes, little-endian), the header (JSON: name -> dtype,
// shape, data_offsets), and the bytes of the tensors, row-major, little-endian, without gaps. It
// has no checksums, so damaged tensor data is not detected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/dtype.h"
#include "ripieno/core/shape.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

struct SafetensorsTensor {
  std::string name;
  DType dtype;
  Shape shape;
  int64_t file_offset = 0;  // in bytes, from the beginning of the file
  int64_t bytes = 0;        // size of the tensor's data
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;  // in file order
  std::map<std::string, std::string> metadata;
};

inline constexpr int64_t kSafetensorsPrefixBytes = 8;
inline constexpr int64_t kSafetensorsHeaderLimit = 100'000'000;  // bytes, defined by the format

// Length of the header in bytes, from the first eight bytes of a file of `file_bytes`. Throws
// DataError if it exceeds the file or the format's limit.
int64_t safetensors_header_bytes(std::string_view first_bytes, int64_t file_bytes);

// Parses the header. `beginning`: the first eight bytes and the header; `file_bytes`: size of the
// file. Throws DataError, without the file name, if the header is invalid or the tensors do not
// cover the rest of the file without gaps.
SafetensorsHeader parse_safetensors(std::string_view beginning, int64_t file_bytes);

class SafetensorsReader {
 public:
  // Opens the file and reads its header. Throws StorageError if it cannot be read, DataError if it
  // is not valid, ConfigurationError if a tensor's element type or number of axes is not supported.
  SafetensorsReader(const FileSystem& files, std::string path);

  const std::string& path() const { return path_; }
  const SafetensorsHeader& header() const { return header_; }
  // Fills `into` with the bytes of `tensor` from its byte `begin`. Throws StorageError, DataError
  // if the file ends early, Error if the range is outside the tensor.
  void read(const SafetensorsTensor& tensor, int64_t begin, std::span<std::byte> into) const;

 private:
  std::string path_;
  std::unique_ptr<ReadableFile> file_;
  SafetensorsHeader header_;
};

// Writes a file sequentially: the constructor takes the description of all tensors and writes the
// header; append() then takes their bytes, in the same order, in chunks of any size.
class SafetensorsWriter {
 public:
  // `file_offset` and `bytes` of header.tensors are ignored and computed here. Throws Error if a
  // name is used twice or reserved, StorageError if the file cannot be written.
  SafetensorsWriter(FileSystem& files, const std::string& path, SafetensorsHeader header);

  // Throws Error if the bytes exceed the tensors, StorageError.
  void append(std::span<const std::byte> bytes);
  // Syncs the file. Throws Error unless all bytes of all tensors were appended.
  void finish();

 private:
  std::unique_ptr<WritableFile> file_;
  int64_t missing_ = 0;  // bytes that are still to be appended
};

// The format's name of an element type: "F32", "BF16", …
std::string_view safetensors_name_of(DType dtype);

}  // namespace ripieno::io
