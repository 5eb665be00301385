// Conversion: the plan of what to convert, tensor by tensor, and the writers of each format. They
// read one tensor of the source at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/tensor.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/not_finite.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

enum class Names { ours, hugging_face };
enum class TargetFormat { safetensors, checkpoint, numpy };

struct Target {
  std::size_t index;  // of the tensor in the source
  std::string name;
  io::StateKind kind;
  DType dtype;
  Shape shape;
  bool is_transposed = false;

  int64_t bytes() const { return shape.elements() * static_cast<int64_t>(size_of(dtype)); }
};

struct Conversion {
  const TensorSource* source;
  std::vector<Target> targets;
  nlohmann::json config;          // content of config.json; null: no such file is written
  nlohmann::json training_state;  // null if the source has none
  int64_t step = 0;
  Names names = Names::ours;
  // Further files of a directory of safetensors: those of the tokenizer (tokenizer_files.h).
  std::map<std::string, std::string> files = {};
  std::vector<std::string> left_out = {};  // redundant tensors of the source, by name
  // The NaN and infinite elements in what converted() has returned so far.
  std::shared_ptr<NotFinite> not_finite = std::make_shared<NotFinite>();

  int64_t bytes() const;
};

struct ConversionOptions {
  TargetFormat to = TargetFormat::safetensors;
  std::optional<Names> names = {};  // empty: depends on the two formats
  std::optional<DType> dtype = {};  // of floating-point parameters; empty: unchanged
  bool all = false;                 // include buffers and optimizer state
  bool averages = false;            // of parameters (ema.decay), in their place
};

// `source` must outlive the result. Throws ConfigurationError if the model cannot be renamed to or
// from Hugging Face names, UsageError if options contradict each other, DataError if a checkpoint
// cannot have a tensor of some name.
Conversion plan_conversion(const TensorSource& source, const ConversionOptions& options);

// The tensor of `target`, contiguous, with the shape and element type that `target` has. Counts its
// NaN and infinite elements in conversion.not_finite.
Tensor converted(const Conversion& conversion, const Target& target);

// Called by the writers with the number of bytes written since the last call.
using Written = std::function<void(int64_t bytes)>;

// Each writer writes everything or nothing. If the target exists, it is replaced with `force`;
// otherwise UsageError is thrown.

// A `path` that ends in .safetensors becomes one file. Any other becomes a directory, with several
// files if one would exceed `shard_bytes`.
void write_safetensors(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                       int64_t shard_bytes, bool force, const Written& written);
// A directory with one .npy file per tensor. bfloat16, which NumPy lacks, becomes float32.
void write_numpy(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                 bool force, const Written& written);
// `path`: the checkpoint, if its last component is step_<n>; otherwise a run directory, in which
// checkpoints/step_<n> is created. Returns the checkpoint's path.
std::string write_checkpoint(io::FileSystem& files, const std::string& path,
                             const Conversion& conversion, bool force, const Written& written);

}  // namespace ripieno::tools
