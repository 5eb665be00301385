#include "ripieno/tools/convert/hugging_face.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/tools/convert/model_family.h"
#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr const char* kCarried =
    "hugging_face";  // key in the training state: the original config.json

const ModelFamily* const kFamilies[] = {&gpt2_family(), &llama_family()};

Shape renamed_shape(const SourceTensor& tensor, const Renamed& renamed) {
  Shape shape = tensor.shape;
  if (!renamed.is_transposed) return shape;
  if (shape.rank() != 2)
    refuse_model(
        fmt::format("{} has shape {}; must be a matrix", tensor.name, to_string(tensor.shape)));
  std::swap(shape[0], shape[1]);
  return shape;
}

// Checks that no tensor of the family is missing, in as many blocks as there are.
void require_complete(const ModelFamily& family, const Shapes& shapes) {
  const int64_t blocks = blocks_in(shapes);
  for (const NameRule& rule : family.rules) {
    const int64_t times = rule.ours.find('#') == std::string_view::npos ? 1 : blocks;
    for (int64_t block = 0; block < times && !rule.is_optional; ++block) {
      const std::string name = with_block(rule.ours, std::to_string(block));
      if (!shapes.contains(name)) refuse_model(fmt::format("{} is missing", name));
    }
  }
}

const ModelFamily& family_of_ours(const TensorSource& source) {
  for (const ModelFamily* family : kFamilies) {
    for (const SourceTensor& tensor : source.tensors) {
      if (tensor.name == family->our_landmark) return *family;
    }
  }
  refuse_model("it is neither an nn::Gpt nor a Llama; use --names ours to keep the names");
}

// The prefixes that DistributedDataParallel and torch.compile add to every name.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod."};

// The names of a source's tensors, without those prefixes.
std::vector<std::string> unwrapped_names(const TensorSource& source) {
  std::vector<std::string> names;
  for (const SourceTensor& tensor : source.tensors) names.push_back(tensor.name);
  const auto strip = [&](std::string_view wrapper) {
    const bool has_all = !names.empty() && std::all_of(names.begin(), names.end(), [&](auto& name) {
      return name.starts_with(wrapper);
    });
    for (std::string& name : names) name.erase(0, has_all ? wrapper.size() : 0);
    return has_all;
  };
  while (std::any_of(std::begin(kWrappers), std::end(kWrappers), strip)) {
  }
  return names;
}

const ModelFamily& family_of_theirs(const TensorSource& source,
                                    const std::vector<std::string>& names) {
  const json& type = member(source.configuration, "model_type");
  for (const ModelFamily* family : kFamilies) {
    for (const std::string_view known : family->model_types) {
      if (type == known) return *family;
    }
    for (const std::string& name : names) {
      if (!type.is_null()) break;
      if (name == family->their_landmark || family->their_prefix + name == family->their_landmark)
        return *family;
    }
  }
  refuse_model(
      type.is_null()
          ? "it is neither a GPT-2 nor a Llama; use --names ours to keep the names"
          : fmt::format("its model_type is {}; must be \"gpt2\", \"llama\", \"qwen2\" or \"qwen3\"",
                        type.dump()));
}

// True if the model was saved without its head: then no name has the prefix.
bool lacks_prefix(const std::vector<std::string>& names, const ModelFamily& family) {
  return std::none_of(names.begin(), names.end(), [&](const std::string& name) {
    return name.starts_with(family.their_prefix);
  });
}

bool is_ignored(const ModelFamily& family, const std::string& name) {
  for (const NameRule& rule : family.ignored) {
    if (match(rule.theirs, name)) return true;
  }
  return false;
}

bool has_same_bits(const TensorSource& source, std::size_t a, std::size_t b) {
  const SourceTensor &first = source.tensors[a], &second = source.tensors[b];
  if (first.dtype != second.dtype || first.shape != second.shape) return false;
  const Tensor x = source.read(a), y = source.read(b);
  return std::memcmp(x.raw_data(), y.raw_data(), x.bytes()) == 0;
}

std::optional<std::size_t> index_of(const std::vector<std::string>& names,
                                    const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

// Whether `head`, in a family where it may differ from the embedding, is the same tensor in this
// file.
bool is_named_as_embedding(const TensorSource& source, const std::vector<std::string>& names,
                           const ModelFamily& family, std::size_t head) {
  const auto embedding = index_of(names, family.their_embedding);
  const bool is_tied = member(source.configuration, "tie_word_embeddings") == true;
  return is_tied && embedding && embedding != head &&
         (source.tensors[head].same_as == embedding || source.tensors[*embedding].same_as == head);
}

// That of the folder, if we can read it: so that text can be generated with the model.
json tokenizer_of(const TensorSource& theirs, const ModelFamily& family, const Shapes& shapes) {
  const int64_t vocabulary = size_in(shapes, "tokens.weight", 0);
  const std::string path = theirs.path + "/tokenizer.json";
  if (io::local_files().exists(path)) {
    try {
      const auto tokenizer = io::Tokenizer::load(path);
      if (tokenizer.vocabulary_size() <= vocabulary) return tokenizer.description();
    } catch (const DataError&) {  // of a family that we do not know
    }
  }
  return io::Tokenizer::external(std::string(family.model_types.front()), vocabulary).description();
}

json training_state_of(const TensorSource& theirs, const ModelFamily& family,
                       const Shapes& shapes) {
  json state = theirs.training_state;
  if (!state.is_object()) {
    state = {{"step", 0},
             {"samples", 0},
             {"optimizer_steps", 0},
             {"learning_rate", 0.0},
             {"random", {{"seed", 0}, {"step", 0}}},
             {"evaluation_pending", false},
             {"tokenizer", tokenizer_of(theirs, family, shapes)}};
  }
  const json model =
      family.our_configuration(theirs.configuration, shapes, member(state, "configuration"));
  if (!member(state, "configuration").is_object()) state["configuration"] = json::object();
  state["configuration"]["model"] = model;
  if (theirs.configuration.is_object()) state[kCarried] = {{"config", theirs.configuration}};
  return state;
}

}  // namespace

void refuse_model(const std::string& why) {
  throw ConfigurationError("cannot convert the model: " + why);
}

int64_t size_in(const Shapes& shapes, const std::string& name, int axis) {
  const auto found = shapes.find(name);
  if (found == shapes.end()) refuse_model(fmt::format("{} is missing", name));
  if (axis >= found->second.rank())
    refuse_model(fmt::format("{} has shape {}; must have at least {} axes", name,
                             to_string(found->second), axis + 1));
  return found->second[axis];
}

void require_size(const json& config, const char* key, int64_t found) {
  if (member(config, key) != found)
    refuse_model(fmt::format("{} is {} in config.json, but {} in the tensors", key,
                             member(config, key).dump(), found));
}

int64_t blocks_in(const Shapes& shapes) {
  std::set<std::string> blocks;
  for (const auto& [name, shape] : shapes) {
    const auto end = name.find('.', name.find('.') + 1);
    if (name.starts_with("blocks.") && end != std::string::npos) blocks.insert(name.substr(0, end));
  }
  return std::ssize(blocks);
}

HuggingFaceModel to_hugging_face(const TensorSource& ours) {
  const ModelFamily& family = family_of_ours(ours);
  HuggingFaceModel model;
  Shapes shapes;
  for (std::size_t i = 0; i < ours.tensors.size(); ++i) {
    const SourceTensor& tensor = ours.tensors[i];
    if (tensor.kind != io::StateKind::parameter) continue;
    const auto found = to_theirs(family.rules, tensor.name);
    if (!found)
      refuse_model(fmt::format("a {} has no tensor {}", family.model_types.front(), tensor.name));
    model.tensors.push_back({i, found->name, found->rule->is_transposed});
    renamed_shape(tensor, model.tensors.back());
    shapes[tensor.name] = tensor.shape;
  }
  require_complete(family, shapes);
  const json& state = ours.training_state;
  model.config = family.their_configuration(member(member(state, kCarried), "config"), shapes,
                                            member(state, "configuration"));
  return model;
}

OurModel from_hugging_face(const TensorSource& theirs) {
  std::vector<std::string> names = unwrapped_names(theirs);
  const ModelFamily& family = family_of_theirs(theirs, names);
  if (lacks_prefix(names, family)) {
    for (std::string& name : names)
      if (!name.starts_with("lm_head.")) name = family.their_prefix + name;
  }
  const auto embedding = index_of(names, family.their_embedding);
  OurModel model;
  Shapes shapes;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const SourceTensor& tensor = theirs.tensors[i];
    const auto found = to_ours(family.rules, names[i]);
    const bool is_repeated =
        found && found->rule->is_optional && is_named_as_embedding(theirs, names, family, i);
    if (found && !is_repeated) {
      model.tensors.push_back({i, found->name, found->rule->is_transposed});
      shapes[found->name] = renamed_shape(tensor, model.tensors.back());
      continue;
    }
    if (names[i] == family.their_tied_head) {
      if (!embedding || !has_same_bits(theirs, i, *embedding))
        refuse_model(
            fmt::format("{} differs from the token embedding; nn::Gpt requires them to be the same",
                        tensor.name));
    } else if (!is_repeated && !is_ignored(family, names[i])) {
      refuse_model(
          fmt::format("{} is not a tensor of a {}", tensor.name, family.model_types.front()));
    }
    model.left_out.push_back(tensor.name);
  }
  require_complete(family, shapes);
  model.training_state = training_state_of(theirs, family, shapes);
  return model;
}

}  // namespace ripieno::tools
