#include "ripieno/tools/convert/hugging_face.h"

#include <fmt/format.h>

#include <cstring>
#include <set>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/tools/convert/model_family.h"
#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr const char* kCarried = "hugging_face";  // in the training state: what a model came with

const ModelFamily* const kFamilies[] = {&gpt2_family(), &llama_family()};

Shape renamed_shape(const SourceTensor& tensor, const Renamed& renamed) {
  Shape shape = tensor.shape;
  if (!renamed.is_transposed) return shape;
  if (shape.rank() != 2)
    differ(fmt::format("{} is {}, no matrix", tensor.name, to_string(tensor.shape)));
  std::swap(shape[0], shape[1]);
  return shape;
}

// Every tensor that a model of the family has, of so many blocks.
void require_complete(const ModelFamily& family, const Shapes& shapes) {
  const int64_t blocks = blocks_in(shapes);
  for (const NameRule& rule : family.rules) {
    const int64_t times = rule.ours.find('#') == std::string_view::npos ? 1 : blocks;
    for (int64_t block = 0; block < times && !rule.is_optional; ++block) {
      const std::string name = with_block(rule.ours, std::to_string(block));
      if (!shapes.contains(name)) differ(fmt::format("{} is missing", name));
    }
  }
}

const ModelFamily& family_of_ours(const TensorSource& source) {
  for (const ModelFamily* family : kFamilies) {
    for (const SourceTensor& tensor : source.tensors) {
      if (tensor.name == family->our_landmark) return *family;
    }
  }
  differ("it is neither an nn::Gpt nor a Llama; --names ours writes its tensors as they are named");
}

const ModelFamily& family_of_theirs(const TensorSource& source) {
  const json& type = member(source.configuration, "model_type");
  for (const ModelFamily* family : kFamilies) {
    if (type == family->model_type) return *family;
    for (const SourceTensor& tensor : source.tensors) {
      if (!type.is_null()) break;
      if (tensor.name == family->their_landmark ||
          family->their_prefix + tensor.name == family->their_landmark)
        return *family;
    }
  }
  differ(type.is_null()
             ? "it is neither a GPT-2 nor a Llama; --names ours takes its tensors as they are named"
             : fmt::format("its model_type is {}; this program knows \"gpt2\" and \"llama\"",
                           type.dump()));
}

// A model may be saved without its head: then all names lack the prefix.
bool lacks_prefix(const TensorSource& source, const ModelFamily& family) {
  for (const SourceTensor& tensor : source.tensors) {
    if (tensor.name.starts_with(family.their_prefix)) return false;
  }
  return true;
}

bool is_without_meaning(const ModelFamily& family, const std::string& name) {
  for (const NameRule& rule : family.without_meaning) {
    if (fit(rule.theirs, name)) return true;
  }
  return false;
}

bool has_same_bits(const TensorSource& source, std::size_t a, std::size_t b) {
  const SourceTensor &first = source.tensors[a], &second = source.tensors[b];
  if (first.dtype != second.dtype || first.shape != second.shape) return false;
  const Tensor x = source.read(a), y = source.read(b);
  return std::memcmp(x.raw_data(), y.raw_data(), x.bytes()) == 0;
}

void require_tied(const TensorSource& source, const ModelFamily& family, std::size_t head) {
  for (std::size_t i = 0; i < source.tensors.size(); ++i) {
    const std::string& name = source.tensors[i].name;
    const bool is_embedding =
        name == family.their_embedding || family.their_prefix + name == family.their_embedding;
    if (is_embedding && has_same_bits(source, head, i)) return;
  }
  differ(fmt::format("{} is not the token embedding; our head is always tied to it",
                     source.tensors[head].name));
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
             {"tokenizer", io::Tokenizer::external(std::string(family.model_type),
                                                   size_in(shapes, "tokens.weight", 0))
                               .description()}};
  }
  const json model =
      family.our_configuration(theirs.configuration, shapes, member(state, "configuration"));
  if (!member(state, "configuration").is_object()) state["configuration"] = json::object();
  state["configuration"]["model"] = model;
  if (theirs.configuration.is_object()) state[kCarried] = {{"config", theirs.configuration}};
  return state;
}

}  // namespace

void differ(const std::string& how) {
  throw ConfigurationError("the model cannot be expressed: " + how);
}

int64_t size_in(const Shapes& shapes, const std::string& name, int axis) {
  const auto found = shapes.find(name);
  if (found == shapes.end()) differ(fmt::format("{} is missing", name));
  if (axis >= found->second.rank()) differ(fmt::format("{} is {}", name, to_string(found->second)));
  return found->second[axis];
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
    if (!found) differ(fmt::format("{} has no {}", family.model_type, tensor.name));
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
  const ModelFamily& family = family_of_theirs(theirs);
  const std::string prefix(lacks_prefix(theirs, family) ? family.their_prefix : "");
  OurModel model;
  Shapes shapes;
  for (std::size_t i = 0; i < theirs.tensors.size(); ++i) {
    const SourceTensor& tensor = theirs.tensors[i];
    const std::string name =
        tensor.name.starts_with("lm_head.") ? tensor.name : prefix + tensor.name;
    const auto found = to_ours(family.rules, name);
    if (found) {
      model.tensors.push_back({i, found->name, found->rule->is_transposed});
      shapes[found->name] = renamed_shape(tensor, model.tensors.back());
      continue;
    }
    if (name == family.their_tied_head)
      require_tied(theirs, family, i);
    else if (!is_without_meaning(family, name))
      differ(fmt::format("{} is not a tensor of a {}", tensor.name, family.model_type));
    model.left_out.push_back(tensor.name);
  }
  require_complete(family, shapes);
  model.training_state = training_state_of(theirs, family, shapes);
  return model;
}

}  // namespace ripieno::tools
