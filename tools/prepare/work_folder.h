// WorkFolder: the finished chunks of a preparation, so that it continues where it was killed.
//
// The folder has manifest.json, which says what is prepared, and a file per chunk with a checksum.
// A chunk that is missing or damaged is encoded again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ripieno/io/files/file_lock.h"
#include "ripieno/io/files/json.h"
#include "ripieno/tools/prepare/encoder.h"

namespace ripieno::tools {

class WorkFolder {
 public:
  // Creates the folder, or opens that of an earlier preparation; removes its chunks if the manifest
  // differs. Throws ConfigurationError if another process is using it or it is not a preparation;
  // StorageError.
  WorkFolder(std::string path, const nlohmann::json& manifest);

  // Which entries of the manifest differ from those of the earlier preparation whose chunks were
  // removed ("inputs, tokenizer"); empty if none were.
  const std::string& changes() const { return changes_; }

  // The finished chunk, nullopt if it has to be encoded. Thread-safe, as is save().
  std::optional<EncodedChunk> find(int64_t number) const;
  // Durable, but for the file's name, once it returns.
  void save(int64_t number, const EncodedChunk& chunk);
  // The finished chunk. Throws DataError if it is missing or damaged.
  EncodedChunk load(int64_t number) const;
  void remove();

 private:
  std::string path_of(int64_t number) const;
  void remove_chunks();

  static void create(const std::string& path);

  std::string path_;
  io::PathLock lock_;
  std::string changes_;
};

}  // namespace ripieno::tools
