// Conversion: what a converted file holds, tensor by tensor, and the writers, which read one tensor
// of the source at a time.
#pragma once

#include <cstdint>
#include <functional>
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
  nlohmann::json config;          // of config.json; null: none is written
  nlohmann::json training_state;  // null: none is known
  int64_t step = 0;
  Names names = Names::ours;
  std::vector<std::string> left_out = {};
  // What converted() met so far, in the numbers that it returned.
  std::shared_ptr<NotFinite> not_finite = std::make_shared<NotFinite>();

  int64_t bytes() const;
};

struct ConversionOptions {
  TargetFormat to = TargetFormat::safetensors;
  std::optional<Names> names = {};  // by the formats unless said
  std::optional<DType> dtype = {};  // of the parameters that are floating-point numbers
  bool all = false;  // buffers and the optimizer's state as well, not the parameters alone
};

// Throws ConfigurationError where the names of Hugging Face do not fit, UsageError where two
// options do not. `source` must outlive what is returned.
Conversion plan_conversion(const TensorSource& source, const ConversionOptions& options);

// A tensor as the target wants it, dense.
Tensor converted(const Conversion& conversion, const Target& target);

// Told how many bytes were written since it was last told.
using Written = std::function<void(int64_t bytes)>;

// Each writes whole or not at all, in place of what is there only with `force`; else it throws
// UsageError. `path` that ends in .safetensors is one file; else a directory, whose file is split
// into several where it would have more than `shard_bytes`.
void write_safetensors(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                       int64_t shard_bytes, bool force, const Written& written);
// A directory with one .npy a tensor. bfloat16, which NumPy has not, becomes float32.
void write_numpy(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                 bool force, const Written& written);
// `path`: step_<n>, else a run directory, which gets checkpoints/step_<n>. Returns the
// checkpoint's path.
std::string write_checkpoint(io::FileSystem& files, const std::string& path,
                             const Conversion& conversion, bool force, const Written& written);

}  // namespace ripieno::tools
