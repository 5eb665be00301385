// Manifest: the JSON file that lists the files of a checkpoint and the location of every tensor in
// them. Not installed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/commit_mode.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// A contiguous range of elements of a tensor, and where it is stored.
struct Piece {
  std::string file;
  std::string data_set;
  int64_t begin = 0;        // first element, row-major
  int64_t count = 0;        // number of elements
  int64_t file_offset = 0;  // in bytes
  int64_t bytes = 0;
  uint64_t hash = 0;       // XXH3 of the bytes
  int64_t not_finite = 0;  // number of NaN or infinite elements
};

struct SavedTensor {
  std::string name;
  StateKind kind;
  DType dtype;
  Shape shape;
  std::vector<Piece> pieces;  // ordered by `begin`
};

struct SavedFile {
  std::string name;
  int64_t bytes = 0;
  uint64_t outside_hash = 0;  // XXH3 of all bytes outside the pieces, in file order
};

struct Manifest {
  int64_t step = 0;
  int world_size = 1;
  nlohmann::json training_state;
  std::vector<SavedTensor> tensors;
  std::vector<SavedFile> files;
  CommitMode commit = CommitMode::rename;
};

// Names must not contain control characters: they are shown in one-line messages, and passed to
// libraries as C strings.
bool has_control_character(const std::string& name);

// "parameter blocks.0.weight", for messages.
std::string described(const SavedTensor& tensor);

// Number of NaN or infinite elements; 0 for manifests of earlier versions, which did not count
// them.
int64_t not_finite_in(const SavedTensor& tensor);
// Whether all parameters and optimizer state are finite, so that training can continue. Buffers are
// not considered: a mask often contains infinities.
bool is_finite(const Manifest& manifest);

nlohmann::ordered_json to_json(const SavedTensor& tensor);
nlohmann::ordered_json to_json(const SavedFile& file);
// Throw DataError if a member is missing or invalid.
SavedTensor tensor_from_json(const nlohmann::json& json);
SavedFile file_from_json(const nlohmann::json& json);

// The content of manifest.json, with its checksum.
std::string to_text(const Manifest& manifest);
// Thrown if the manifest is intact, but of another format version than this program reads.
struct LaterVersion : DataError {
  using DataError::DataError;
};

// Verifies the checksum, parses and checks. Throws DataError if the text is damaged or invalid.
Manifest manifest_from_text(std::string_view text);

// Maximum size of a manifest. One of a million tensors in a thousand shards has half of it.
inline constexpr int64_t kLargestManifestBytes = int64_t{1} << 30;
// Reads the manifest of a checkpoint directory. Throws StorageError, or DataError naming the file.
Manifest read_manifest(const FileSystem& files, const std::string& directory);

// Throws DataError unless the pieces cover every tensor exactly once, do not overlap and are within
// their files; file names are plain names in the checkpoint directory; and all sizes in bytes are
// below 2^63.
void check_manifest(const Manifest& manifest);

}  // namespace ripieno::io
