// TensorSource: the named tensors of a checkpoint or of safetensors files behind one interface.
// Opening a source reads only headers; read() reads one tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/tensor.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// The file names in a directory of safetensors.
inline constexpr std::string_view kModelName = "model.safetensors";
inline constexpr std::string_view kIndexName = "model.safetensors.index.json";
inline constexpr std::string_view kConfigName = "config.json";

struct SourceTensor {
  std::string name;
  io::StateKind kind;
  DType dtype;
  Shape shape;
  int64_t not_finite = 0;  // NaN and infinite elements, according to a checkpoint's manifest
  // The index of an earlier tensor, if this is another name for the same data.
  std::optional<std::size_t> same_as = {};

  int64_t bytes() const { return shape.elements() * static_cast<int64_t>(size_of(dtype)); }
};

class TensorSource {
 public:
  enum class Format { checkpoint, safetensors };

  virtual ~TensorSource() = default;
  // The whole tensor, contiguous, on the CPU. Throws DataError if it is damaged (safetensors, which
  // have no checksums: truncated).
  virtual Tensor read(std::size_t index) const = 0;

  Format format;
  std::string path;  // the checkpoint directory, or the safetensors file or directory
  std::vector<SourceTensor> tensors;
  nlohmann::json training_state;  // null if there is none
  nlohmann::json configuration;   // content of config.json next to safetensors; null if none
  std::optional<int64_t> step = {};
  // Checkpoints only: the number of ranks that saved it, and how it was committed.
  std::optional<int> world_size = {};
  std::string commit_mode = {};
  // Safetensors only:
  std::vector<std::string> file_paths = {};
  bool has_our_names = false;  // converted from a checkpoint without renaming

 protected:
  TensorSource(Format source_format, std::string source_path)
      : format(source_format), path(std::move(source_path)) {}
};

// `path`: a checkpoint, a run directory or its checkpoints/ (opens the newest checkpoint whose
// manifest is intact), a .safetensors file, or a directory with model.safetensors or
// model.safetensors.index.json. Throws UsageError if it is none of these, DataError if it is
// damaged. `files` must outlive the result.
std::unique_ptr<TensorSource> open_source(const io::FileSystem& files, const std::string& path);

// The same for one format each.
std::unique_ptr<TensorSource> open_checkpoint(const io::FileSystem& files, const std::string& path);
std::unique_ptr<TensorSource> open_safetensors(const io::FileSystem& files,
                                               const std::string& path);

// The directory of checkpoints: `path` or path/checkpoints, whichever has any. Empty if neither
// has.
std::optional<std::string> checkpoints_below(const io::FileSystem& files, const std::string& path);

// The key in the metadata of safetensors for what the format has no field for.
inline constexpr const char* kOurMetadata = "ripieno";

}  // namespace ripieno::tools
