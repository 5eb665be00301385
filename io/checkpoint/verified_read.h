// read_verified(): reads the files of a checkpoint with several threads and verifies their
// checksums. Used by checkpoint.cpp. Not installed.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// A piece to read, and where its bytes go. They are delivered before the checksum is verified.
struct PieceRead {
  const SavedTensor* tensor;
  const Piece* piece;
  std::byte* into = nullptr;  // buffer for the whole piece; null: the bytes are not stored
  // Called with each chunk and its byte offset in the piece: whole elements, in order, by one
  // thread.
  std::function<void(int64_t offset, std::span<const std::byte> bytes)> take = {};
};

struct FileRead {
  const SavedFile* file;
  std::vector<PieceRead> pieces = {};  // in file order
  // Whether to verify also the bytes outside all pieces of the file.
  bool verifies_outside = false;
  std::vector<const Piece*> all = {};  // all pieces of the file, in file order
};

// Reads and verifies everything in `reads`. Returns the number of bytes read. Throws DataError or
// StorageError, naming the file; if there are several failures, that of the first in the order of
// `reads`, whatever the timing of the threads. Bytes read before a failure have been delivered.
int64_t read_verified(const FileSystem& files, const std::string& directory,
                      const std::vector<FileRead>& reads, const ReadOptions& options);

}  // namespace ripieno::io
