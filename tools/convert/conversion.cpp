#include "ripieno/tools/convert/conversion.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/tools/convert/hugging_face.h"
#include "ripieno/tools/convert/tokenizer_files.h"
#include "ripieno/tools/sources/foreign_json.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

Target target_of(const TensorSource& source, const Renamed& renamed) {
  const SourceTensor& tensor = source.tensors[renamed.index];
  Target target{renamed.index, renamed.name, tensor.kind,
                tensor.dtype,  tensor.shape, renamed.is_transposed};
  if (target.is_transposed) std::swap(target.shape[0], target.shape[1]);
  return target;
}

Names default_names(const TensorSource& source, TargetFormat to) {
  const bool is_checkpoint = source.format == TensorSource::Format::checkpoint;
  if (source.has_our_names) return Names::ours;
  const bool crosses =
      is_checkpoint ? to == TargetFormat::safetensors : to == TargetFormat::checkpoint;
  return crosses ? Names::hugging_face : Names::ours;
}

void add_as_named(const TensorSource& source, bool all, Conversion& conversion) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < source.tensors.size(); ++i) {
    const SourceTensor& tensor = source.tensors[i];
    if (tensor.kind != io::StateKind::parameter && !all) continue;
    if (!names.insert(tensor.name).second)
      throw ConfigurationError(
          fmt::format("{}: tensors of two kinds are named {}; omit --all to write parameters only",
                      source.path, tensor.name));
    conversion.targets.push_back(target_of(source, {i, tensor.name}));
  }
  conversion.config = source.configuration;
  conversion.training_state = source.training_state;
}

void add_renamed(const std::vector<Renamed>& tensors, Conversion& conversion) {
  for (const Renamed& renamed : tensors)
    conversion.targets.push_back(target_of(*conversion.source, renamed));
}

// The files of the tokenizer, and in config.json the tokens that begin and end a text.
void add_tokenizer(Conversion& conversion) {
  const json& description = member(conversion.training_state, "tokenizer");
  if (!description.is_object()) return;
  const auto tokenizer = io::Tokenizer::described(description);
  json& config = conversion.config;
  const json& context = member(config, "max_position_embeddings").is_null()
                            ? member(config, "n_positions")
                            : member(config, "max_position_embeddings");
  conversion.files = tokenizer_files(tokenizer, context.is_number() ? context.get<int64_t>() : 0);
  const auto end = tokenizer.end_of_document();
  if (end) config["bos_token_id"] = config["eos_token_id"] = *end;
}

void add_hugging_face(const TensorSource& source, Conversion& conversion) {
  if (source.format == TensorSource::Format::checkpoint) {
    HuggingFaceModel model = to_hugging_face(source);
    add_renamed(model.tensors, conversion);
    conversion.config = std::move(model.config);
    conversion.training_state = source.training_state;
    add_tokenizer(conversion);
  } else {
    OurModel model = from_hugging_face(source);
    add_renamed(model.tensors, conversion);
    conversion.training_state = std::move(model.training_state);
    conversion.left_out = std::move(model.left_out);
  }
}

// The element type of most bytes, in which transformers then loads the model.
DType main_dtype(const std::vector<Target>& targets) {
  std::map<DType, int64_t> bytes;
  for (const Target& target : targets) bytes[target.dtype] += target.bytes();
  DType main = DType::float32;
  int64_t most = -1;
  for (const auto& [dtype, sum] : bytes) {
    if (sum > most) std::tie(main, most) = std::pair(dtype, sum);
  }
  return main;
}

void check_options(const TensorSource& source, const ConversionOptions& options, Names names) {
  const bool can_rename = source.format == TensorSource::Format::checkpoint
                              ? options.to == TargetFormat::safetensors
                              : options.to != TargetFormat::safetensors;
  if (names == Names::hugging_face && !can_rename)
    throw UsageError(
        "--names huggingface: requires a conversion from a checkpoint to safetensors, or from "
        "safetensors to another format");
  if (names == Names::hugging_face && options.all)
    throw UsageError("--all: requires --names ours; Hugging Face models contain parameters only");
  if (options.dtype && !is_floating_point(*options.dtype))
    throw UsageError(
        fmt::format("--dtype {}: must be a floating-point type", name_of(*options.dtype)));
}

// Names become HDF5 paths.
void check_names(const Conversion& conversion) {
  for (const Target& target : conversion.targets) {
    if (!io::is_tensor_name(target.name))
      throw DataError(fmt::format(
          "{}: {} is not a valid tensor name in a checkpoint; use --rename to change it",
          conversion.source->path,
          json(target.name).dump(-1, ' ', true, json::error_handler_t::replace)));
  }
}

// Reads the average of each parameter in its place.
void use_averages(const TensorSource& source, Conversion& conversion) {
  std::map<std::string, std::size_t> averages;
  for (std::size_t i = 0; i < source.tensors.size(); ++i) {
    if (source.tensors[i].kind == io::StateKind::optimizer) averages[source.tensors[i].name] = i;
  }
  for (Target& target : conversion.targets) {
    if (target.kind != io::StateKind::parameter) continue;
    const std::string name = "average/" + source.tensors[target.index].name;
    const auto found = averages.find(name);
    if (found == averages.end())
      throw ConfigurationError(
          fmt::format("{}: --averages: it has no {}; averages are saved by runs with ema.decay "
                      "above 0",
                      source.path, name));
    target.index = found->second;
  }
}

}  // namespace

int64_t Conversion::bytes() const {
  int64_t sum = 0;
  for (const Target& target : targets) sum += target.bytes();
  return sum;
}

Conversion plan_conversion(const TensorSource& source, const ConversionOptions& options) {
  Conversion conversion{.source = &source, .targets = {}, .config = {}, .training_state = {}};
  conversion.names = options.names.value_or(default_names(source, options.to));
  conversion.step = source.step.value_or(0);
  check_options(source, options, conversion.names);
  if (conversion.names == Names::hugging_face)
    add_hugging_face(source, conversion);
  else
    add_as_named(source, options.all || options.to == TargetFormat::checkpoint, conversion);
  if (options.averages) use_averages(source, conversion);
  if (options.to == TargetFormat::checkpoint) check_names(conversion);
  for (Target& target : conversion.targets) {
    const bool is_cast = options.dtype && target.kind == io::StateKind::parameter;
    if (is_cast && is_floating_point(target.dtype)) target.dtype = *options.dtype;
  }
  if (conversion.config.is_object()) {
    const char* key = conversion.config.contains("dtype") ? "dtype" : "torch_dtype";
    conversion.config[key] = name_of(main_dtype(conversion.targets));
  }
  return conversion;
}

Tensor converted(const Conversion& conversion, const Target& target) {
  Tensor tensor = conversion.source->read(target.index);
  if (target.is_transposed) tensor = tensor.transpose(0, 1).dense();
  if (tensor.dtype() != target.dtype) tensor = tensor.to(target.dtype);
  conversion.not_finite->scan(fmt::format("{} {}", io::name_of(target.kind), target.name), tensor);
  return tensor;
}

}  // namespace ripieno::tools
