// Manifest: which files a checkpoint consists of, and where in them every tensor lies. Not
// installed.
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

// A run of elements of a tensor, and where its bytes lie.
struct Piece {
  std::string file;
  std::string data_set;
  int64_t begin = 0;  // elements of the tensor
  int64_t count = 0;
  int64_t file_offset = 0;  // bytes
  int64_t bytes = 0;
  uint64_t hash = 0;
  int64_t not_finite = 0;  // elements that are NaN or infinite
};

struct SavedTensor {
  std::string name;
  StateKind kind;
  DType dtype;
  Shape shape;
  std::vector<Piece> pieces;  // in the order of their elements
};

struct SavedFile {
  std::string name;
  int64_t bytes = 0;
  uint64_t outside_hash = 0;  // of what lies outside the pieces
};

struct Manifest {
  int64_t step = 0;
  int world_size = 1;
  nlohmann::json training_state;
  std::vector<SavedTensor> tensors;
  std::vector<SavedFile> files;
  CommitMode commit = CommitMode::rename;
};

// Names are shown in messages, and handed to libraries that end a name at a zero byte.
bool has_control_character(const std::string& name);

// "parameter blocks.0.weight", for messages.
std::string described(const SavedTensor& tensor);

// How many of its elements are NaN or infinite. Manifests of earlier programs do not say: 0.
int64_t not_finite_in(const SavedTensor& tensor);
// Whether training can go on from it: no parameter and no state of the optimizer is NaN or
// infinite. A buffer may be: a mask often is.
bool is_finite(const Manifest& manifest);

nlohmann::ordered_json to_json(const SavedTensor& tensor);
nlohmann::ordered_json to_json(const SavedFile& file);
// Throw DataError where a member is missing or is not what it must be.
SavedTensor tensor_from_json(const nlohmann::json& json);
SavedFile file_from_json(const nlohmann::json& json);

std::string to_text(const Manifest& manifest);
// The manifest is intact, but of a format that this program does not know.
struct LaterVersion : DataError {
  using DataError::DataError;
};

// Throws DataError where the text is damaged or describes what cannot be.
Manifest manifest_from_text(std::string_view text);

// That of a million tensors in a thousand shards has half as many.
inline constexpr int64_t kLargestManifestBytes = int64_t{1} << 30;
// That of a checkpoint. Throws DataError as above, naming the file, and StorageError.
Manifest read_manifest(const FileSystem& files, const std::string& directory);

// Throws DataError unless the pieces cover every tensor once, and lie within the files, apart; the
// files lie beside the manifest; and every number of bytes fits 63 bits.
void check_manifest(const Manifest& manifest);

}  // namespace ripieno::io
