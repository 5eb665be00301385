// TensorSource: the named tensors of a checkpoint or of safetensors files, for tools that do not
// care which. Opening one reads headers only; a tensor is read when it is asked for.
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

// The files in a directory of safetensors.
inline constexpr std::string_view kModelName = "model.safetensors";
inline constexpr std::string_view kIndexName = "model.safetensors.index.json";
inline constexpr std::string_view kConfigName = "config.json";

struct SourceTensor {
  std::string name;
  io::StateKind kind;
  DType dtype;
  Shape shape;
  int64_t not_finite = 0;  // elements, as the manifest of a checkpoint says
  // The index of a tensor before it that it is another name of.
  std::optional<std::size_t> same_as = {};

  int64_t bytes() const { return shape.elements() * static_cast<int64_t>(size_of(dtype)); }
};

class TensorSource {
 public:
  enum class Format { checkpoint, safetensors };

  virtual ~TensorSource() = default;
  // A whole tensor, on the CPU. Throws DataError where it is damaged (of safetensors: cut off).
  virtual Tensor read(std::size_t index) const = 0;

  Format format;
  std::string path;  // of the checkpoint's directory, or of the file or directory of safetensors
  std::vector<SourceTensor> tensors;
  nlohmann::json training_state;  // null where there is none
  nlohmann::json configuration;   // what config.json beside safetensors says; null without one
  std::optional<int64_t> step = {};
  // Of checkpoints: the ranks that saved it, and how it was committed.
  std::optional<int> world_size = {};
  std::string commit_mode = {};
  // Of safetensors:
  std::vector<std::string> file_paths = {};
  bool has_our_names = false;  // written by us, with the names of the checkpoint

 protected:
  explicit TensorSource(Format of, std::string at) : format(of), path(std::move(at)) {}
};

// `path`: a checkpoint, a run directory or its checkpoints (the newest whose manifest is intact is
// taken), a .safetensors file, or a directory with model.safetensors or
// model.safetensors.index.json. Throws UsageError where it is none of these, DataError where it is
// damaged. `files` must outlive what is returned.
std::unique_ptr<TensorSource> open_source(const io::FileSystem& files, const std::string& path);

// The two ways, each for its own format.
std::unique_ptr<TensorSource> open_checkpoint(const io::FileSystem& files, const std::string& path);
std::unique_ptr<TensorSource> open_safetensors(const io::FileSystem& files,
                                               const std::string& path);

// Whether `path` is a directory of checkpoints (or a run's, which has one): then that directory.
std::optional<std::string> checkpoints_below(const io::FileSystem& files, const std::string& path);

// Of the metadata of safetensors: where ours keeps what the format has no place for.
inline constexpr const char* kOurMetadata = "ripieno";

}  // namespace ripieno::tools
