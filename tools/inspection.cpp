#include "ripieno/tools/inspection.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "ripieno/io/run/progress.h"
#include "ripieno/tools/not_finite.h"
#include "ripieno/tools/sources/foreign_json.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

// The tensors on one line: "blocks.#.up.weight" of blocks 0 to 11, for example.
struct Line {
  std::string pattern;
  DType dtype;
  Shape shape;
  int64_t count = 0, bytes = 0;
  int64_t first = 0, last = 0;  // of the block numbers that '#' replaces
};

// The tensors under one heading: parameters, buffers, or one kind of optimizer state.
struct Group {
  std::string title;
  int64_t elements = 0, bytes = 0, count = 0;
  std::map<DType, int64_t> bytes_by_dtype = {};
  std::vector<Line> lines = {};
};

// "blocks.12.up.weight" -> ("blocks.#.up.weight", 12)
std::pair<std::string, int64_t> pattern_of(const std::string& name) {
  std::size_t begin = 0;
  while (begin < name.size()) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string component = name.substr(begin, end - begin);
    const bool is_number = !component.empty() && component.size() < 10 &&
                           component.find_first_not_of("0123456789") == std::string::npos;
    if (is_number) return {name.substr(0, begin) + "#" + name.substr(end), std::stoll(component)};
    begin = end + 1;
  }
  return {name, -1};
}

std::string title_of(const SourceTensor& tensor) {
  if (tensor.kind == io::StateKind::parameter) return "parameters";
  if (tensor.kind == io::StateKind::buffer) return "buffers";
  return "optimizer " + tensor.name.substr(0, tensor.name.find('/'));
}

std::string name_in_group(const SourceTensor& tensor) {
  if (tensor.kind != io::StateKind::optimizer) return tensor.name;
  return tensor.name.substr(tensor.name.find('/') + 1);
}

void add_line(Group& group, const SourceTensor& tensor, bool one_by_one) {
  const std::string name = name_in_group(tensor);
  const auto [pattern, number] =
      one_by_one ? std::pair<std::string, int64_t>(name, -1) : pattern_of(name);
  auto line =
      std::find_if(group.lines.begin(), group.lines.end(), [&, &p = pattern](const Line& l) {
        return l.pattern == p && l.dtype == tensor.dtype && l.shape == tensor.shape;
      });
  if (line == group.lines.end() || number < 0)
    line = group.lines.insert(group.lines.end(),
                              {pattern, tensor.dtype, tensor.shape, 0, 0, number, number});
  ++line->count;
  line->bytes += tensor.bytes();
  line->first = std::min(line->first, number);
  line->last = std::max(line->last, number);
}

std::vector<Group> groups_of(const TensorSource& source, bool one_by_one) {
  std::vector<Group> groups;
  for (const SourceTensor& tensor : source.tensors) {
    const std::string title = title_of(tensor);
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& g) { return g.title == title; });
    if (group == groups.end()) group = groups.insert(groups.end(), Group{.title = title});
    ++group->count;
    group->elements += tensor.shape.elements();
    group->bytes += tensor.bytes();
    group->bytes_by_dtype[tensor.dtype] += tensor.bytes();
    add_line(*group, tensor, one_by_one);
  }
  return groups;
}

// Whether `a`, which must be of one element type, has the names and shapes of `b`, as optimizer
// state has those of the parameters.
bool has_same_lines(const Group& a, const Group& b) {
  return a.bytes_by_dtype.size() == 1 &&
         std::equal(a.lines.begin(), a.lines.end(), b.lines.begin(), b.lines.end(),
                    [](const Line& x, const Line& y) {
                      return x.pattern == y.pattern && x.shape == y.shape && x.count == y.count;
                    });
}

std::string name_of_line(const Line& line) {
  std::string name = line.pattern;
  const auto hash = name.find('#');
  if (line.first < 0 || hash == std::string::npos) return name;
  const std::string numbers = line.count == 1 ? std::to_string(line.first)
                                              : fmt::format("{{{}-{}}}", line.first, line.last);
  return name.replace(hash, 1, numbers);
}

std::string heading(const Group& group) {
  std::vector<std::string> types;
  for (const auto& [dtype, bytes] : group.bytes_by_dtype)
    types.push_back(group.bytes_by_dtype.size() == 1
                        ? std::string(name_of(dtype))
                        : fmt::format("{} {}", readable_bytes(bytes), name_of(dtype)));
  return fmt::format("{}: {}, {}, {}, {}\n", group.title, counted(group.count, "tensor"),
                     counted(group.elements, "element"), readable_bytes(group.bytes),
                     fmt::join(types, " + "));
}

// The members of a JSON object that are numbers or strings: "layers 4, heads 4".
std::string brief(const json& object) {
  std::string text;
  for (const auto& [name, value] : object.items()) {
    if (value.is_structured()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

std::string tokenizer_of(const json& description) {
  const json& characters = member(description, "characters");
  std::string text = brief(description);
  const json& vocabulary = member(member(member(description, "tokenizer"), "model"), "vocab");
  if (vocabulary.is_object())
    return fmt::format("byte_pair, {}", counted(static_cast<int64_t>(vocabulary.size()), "token"));
  if (!characters.is_string()) return text;
  const auto& all = characters.get_ref<const std::string&>();
  const auto count = std::count_if(all.begin(), all.end(),
                                   [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; });
  return counted(count, "character");
}

std::string position_of(const json& state) {
  std::vector<std::string> parts;
  const auto add = [&](const char* name, const char* words) {
    const json& value = member(state, name);
    if (value.is_number_integer())
      parts.push_back(io::with_thousands(value.get<int64_t>()) + words);
    else if (value.is_number())
      parts.push_back(fmt::format("{}{:.4g}", words, value.get<double>()));
  };
  add("samples", " samples");
  add("optimizer_steps", " optimizer steps");
  add("learning_rate", "learning rate ");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string model_type_of(const json& configuration) {
  const json& type = member(configuration, "model_type");
  return type.is_string() ? type.get<std::string>() : "unknown model type";
}

// Wraps after commas, where possible, into lines of at most `columns` characters.
std::vector<std::string> wrapped(std::string text, std::size_t columns) {
  std::vector<std::string> lines;
  while (text.size() > columns) {
    const auto comma = text.rfind(", ", columns - 1);
    if (comma == std::string::npos) break;
    lines.push_back(text.substr(0, comma + 1));
    text.erase(0, comma + 2);
  }
  lines.push_back(std::move(text));
  return lines;
}

std::string summary_of(const TensorSource& source) {
  constexpr std::size_t kColumns = 68;  // next to the labels, on a terminal of 80 columns
  Table table("ll");
  const auto add = [&](const char* what, const std::string& text) {
    if (text.empty()) return;
    for (std::string& line : wrapped(text, kColumns)) {
      table.add({what, std::move(line)});
      what = "";
    }
  };
  if (source.step) {
    std::string text = io::with_thousands(*source.step);
    if (source.world_size) text += ", saved by " + counted(*source.world_size, "rank");
    if (!source.commit_mode.empty()) text += ", committed by " + source.commit_mode;
    add("step", text);
  }
  if (source.format == TensorSource::Format::safetensors)
    add("format", fmt::format("safetensors, {}", counted(std::ssize(source.file_paths), "file")));
  add("trained", position_of(source.training_state));
  const json& configuration = member(source.training_state, "configuration");
  add("model", brief(member(configuration, "model")));
  add("optimizer", brief(member(configuration, "optimizer")));
  add("tokenizer", tokenizer_of(member(source.training_state, "tokenizer")));
  if (source.configuration.is_object()) add("config", model_type_of(source.configuration));
  return table.text();
}

}  // namespace

void keep_matching(TensorSource& source, const std::string& pattern) {
  if (pattern.empty()) return;
  std::erase_if(source.tensors, [&](const SourceTensor& tensor) {
    return ::fnmatch(pattern.c_str(), tensor.name.c_str(), 0) != 0;
  });
}

std::string to_text(const TensorSource& source, bool one_by_one) {
  std::string text = source.path + "\n" + summary_of(source);
  const auto groups = groups_of(source, one_by_one);
  for (const Group& group : groups) {
    if (!one_by_one && &group != &groups.front() && has_same_lines(group, groups.front())) {
      text +=
          fmt::format("\n{}  same names and shapes as {}\n", heading(group), groups.front().title);
      continue;
    }
    Table table("lllr");
    for (const Line& line : group.lines)
      table.add({name_of_line(line), std::string(name_of(line.dtype)), to_string(line.shape),
                 readable_bytes(line.bytes)});
    text += fmt::format("\n{}{}", heading(group), table.text(2));
  }
  NotFinite not_finite;
  for (const SourceTensor& tensor : source.tensors)
    not_finite.add(fmt::format("{} {}", io::name_of(tensor.kind), tensor.name), tensor.not_finite);
  if (!not_finite.empty()) text += "\nnot finite\n" + not_finite.text();
  return text;
}

json to_json(const TensorSource& source) {
  json tensors = json::array(), totals = json::object();
  for (const SourceTensor& tensor : source.tensors) {
    const std::string kind(io::name_of(tensor.kind)), dtype(name_of(tensor.dtype));
    tensors.push_back({{"name", tensor.name},
                       {"kind", kind},
                       {"dtype", dtype},
                       {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
                       {"bytes", tensor.bytes()}});
    if (tensor.not_finite > 0) tensors.back()["not_finite"] = tensor.not_finite;
    json& total = totals[kind][dtype];
    const auto add = [&](const char* what, int64_t value) {
      total[what] = (total.contains(what) ? total[what].get<int64_t>() : 0) + value;
    };
    add("tensors", 1);
    add("elements", tensor.shape.elements());
    add("bytes", tensor.bytes());
  }
  json result = {{"path", source.path},
                 {"format", source.format == TensorSource::Format::checkpoint ? "ripieno checkpoint"
                                                                              : "safetensors"},
                 {"totals", totals},
                 {"training_state", source.training_state},
                 {"tensors", tensors}};
  if (source.step) result["step"] = *source.step;
  if (source.world_size) result["world_size"] = *source.world_size;
  if (!source.commit_mode.empty()) result["commit"] = source.commit_mode;
  if (!source.configuration.is_null()) result["config"] = source.configuration;
  return result;
}

}  // namespace ripieno::tools
