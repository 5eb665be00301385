// Safetensors: the file format in which Hugging Face's tools keep tensors, read and written in any
// size with a few of its bytes in memory.
//
// A file is the length of its header (8 bytes, little-endian), the header (JSON: name -> dtype,
// shape, data_offsets), and the tensors' bytes, row-major, little-endian, one after the other. It
// has no checksums: a damaged number is not noticed.
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
  int64_t file_offset = 0;  // bytes
  int64_t bytes = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;  // in the order in which they lie in the file
  std::map<std::string, std::string> metadata;
};

inline constexpr int64_t kSafetensorsPrefixBytes = 8;
inline constexpr int64_t kSafetensorsHeaderLimit = 100'000'000;  // bytes, as the format says

// How many bytes of header follow the first eight of a file of `file_bytes`. Throws DataError where
// that cannot be.
int64_t safetensors_header_bytes(std::string_view first_bytes, int64_t file_bytes);

// What the header says, given all that precedes the tensors' bytes (the first eight included).
// Throws DataError, without the file's name, unless the tensors fill the rest of the file, one
// after the other.
SafetensorsHeader parse_safetensors(std::string_view beginning, int64_t file_bytes);

class SafetensorsReader {
 public:
  // Reads the header. Throws StorageError, or DataError that names the file.
  SafetensorsReader(const FileSystem& files, std::string path);

  const std::string& path() const { return path_; }
  const SafetensorsHeader& header() const { return header_; }
  // Bytes of `tensor` from its byte `begin` on.
  void read(const SafetensorsTensor& tensor, int64_t begin, std::span<std::byte> into) const;

 private:
  std::string path_;
  std::unique_ptr<ReadableFile> file_;
  SafetensorsHeader header_;
};

// Writes a file from front to back: all that it will hold is said first, then the numbers come, in
// that order, in parts of any size.
class SafetensorsWriter {
 public:
  // Offsets and bytes of `tensors` are worked out here. Throws Error where a name is there twice,
  // StorageError where storage refuses.
  SafetensorsWriter(FileSystem& files, const std::string& path, SafetensorsHeader header);

  void append(std::span<const std::byte> bytes);
  // Syncs. Throws Error unless exactly the bytes announced came.
  void finish();

 private:
  std::unique_ptr<WritableFile> file_;
  int64_t missing_ = 0;  // bytes announced that did not come yet
};

// "F32", "BF16", …: what the format calls an element type.
std::string_view safetensors_name_of(DType dtype);

}  // namespace ripieno::io
