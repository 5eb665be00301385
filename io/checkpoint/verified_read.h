// Reading a checkpoint's files by several threads, every byte hashed on its way. For
// checkpoint.cpp. Not installed.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// A piece, and where its bytes go as they come, before they are known to be intact.
struct PieceRead {
  const SavedTensor* tensor;
  const Piece* piece;
  std::byte* into = nullptr;  // room for all of it; null: nowhere, or to `take`
  // Takes the bytes from `offset` of the piece on: whole elements, in order, by one thread.
  std::function<void(int64_t offset, std::span<const std::byte> bytes)> take = {};
};

struct FileRead {
  const SavedFile* file;
  std::vector<PieceRead> pieces = {};  // in the order in which they lie in the file
  // Whether what lies outside of all of the file's pieces, in that order, is verified too.
  bool verifies_outside = false;
  std::vector<const Piece*> all = {};
};

// Reads and verifies all of it; the bytes read. Throws DataError or StorageError that names the
// file: of several failures that of the earliest file and place. What was read until then has gone
// where it should.
int64_t read_verified(const FileSystem& files, const std::string& directory,
                      const std::vector<FileRead>& reads, const ReadOptions& options);

}  // namespace ripieno::io
