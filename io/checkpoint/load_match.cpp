#include "ripieno/io/checkpoint/load_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kMaster = "master/";
constexpr std::size_t kListed = 10;  // maximum number of names in a message

using Key = std::pair<StateKind, std::string>;

bool is_master(StateKind kind, const std::string& name) {
  return kind == StateKind::optimizer && name.starts_with(kMaster);
}

Key master_of(const std::string& parameter) {
  return {StateKind::optimizer, std::string(kMaster) + parameter};
}

// Index at which the parameter's name begins: optimizer state is named "first_moment/<parameter>".
std::size_t start_of_name(StateKind kind, const std::string& name) {
  const auto slash = name.find('/');
  return kind == StateKind::optimizer && slash != std::string::npos ? slash + 1 : 0;
}

std::string described(StateKind kind, const std::string& name, const Shape& shape) {
  return fmt::format("{} {} {}", name_of(kind), name, to_string(shape));
}

bool converts(DType from, DType to) {
  return from == to || (is_floating_point(from) && is_floating_point(to));
}

void check_part(const StateTensor& wanted) {
  const bool is_typed = wanted.count() == 0 || wanted.part.dtype() == wanted.dtype;
  if (wanted.begin < 0 || wanted.count() > wanted.shape.elements() - wanted.begin || !is_typed)
    fail(
        fmt::format("Checkpoint::load: {} {}: `part` must have the type of the tensor, and lie "
                    "within its shape {}",
                    name_of(wanted.kind), wanted.name, to_string(wanted.shape)));
}

std::string listed(const std::vector<std::string>& names) {
  const auto shown = std::min(names.size(), kListed);
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<long>(shown), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

class Matcher {
 public:
  Matcher(const std::vector<Loadable>& saved, const std::string& path, const LoadOptions& options)
      : saved_(saved), path_(path), options_(options) {
    for (std::size_t i = 0; i < saved.size(); ++i) {
      auto name = wanted_name(saved[i], options);
      if (!name) continue;
      const auto [at, is_new] = by_name_.try_emplace({saved[i].kind, *std::move(name)}, i);
      if (!is_new)
        throw ConfigurationError(
            fmt::format("{}: {} and {} would both be loaded as {}; change the renaming rules", path,
                        saved[at->second].name, saved[i].name, at->first.second));
    }
  }

  LoadMatch match(const State& wanted) {
    std::set<StateKind> kinds;
    std::set<Key> names;
    for (const StateTensor& tensor : wanted) {
      check_part(tensor);
      result_.sources.push_back(source_of(tensor));
      if (!is_master(tensor.kind, tensor.name)) kinds.insert(tensor.kind);
      names.emplace(tensor.kind, tensor.name);
    }
    for (const auto& [key, index] : by_name_) {
      if (kinds.contains(key.first) && !names.contains(key) && !is_master(key.first, key.second))
        result_.report.unused.push_back(
            described(key.first, saved_[index].name, saved_[index].shape));
    }
    if (options_.strict && !result_.report.matches()) throw_mismatch();
    return std::move(result_);
  }

 private:
  std::optional<std::size_t> find(const Key& key) const {
    const auto found = by_name_.find(key);
    if (found == by_name_.end()) return std::nullopt;
    return found->second;
  }

  std::optional<std::size_t> candidate_for(const StateTensor& wanted) const {
    const auto named = find({wanted.kind, wanted.name});
    if (!named && is_master(wanted.kind, wanted.name))
      return find({StateKind::parameter, wanted.name.substr(kMaster.size())});
    if (!named || wanted.kind != StateKind::parameter) return named;
    const bool is_wider = size_of(wanted.dtype) > size_of(saved_[*named].dtype);
    const auto master = find(master_of(wanted.name));
    return is_wider && master && saved_[*master].shape == wanted.shape ? master : named;
  }

  std::optional<std::size_t> source_of(const StateTensor& wanted) {
    LoadReport& report = result_.report;
    const auto found = candidate_for(wanted);
    if (!found) {
      report.missing.push_back(described(wanted.kind, wanted.name, wanted.shape));
      return std::nullopt;
    }
    const Loadable& saved = saved_[*found];
    const auto differs = [&](std::string_view is_saved, std::string_view is_wanted) {
      report.different.push_back(fmt::format("{} {} was saved as {} but is {} in this run",
                                             name_of(wanted.kind), wanted.name, is_saved,
                                             is_wanted));
      return std::nullopt;
    };
    if (saved.shape != wanted.shape)
      return differs(to_string(saved.shape), to_string(wanted.shape));
    if (!converts(saved.dtype, wanted.dtype))
      return differs(ripieno::name_of(saved.dtype), ripieno::name_of(wanted.dtype));
    return found;
  }

  [[noreturn]] void throw_mismatch() const {
    const LoadReport& report = result_.report;
    std::vector<std::string> differences;
    if (!report.different.empty()) differences.push_back(listed(report.different));
    if (!report.missing.empty())
      differences.push_back("missing from the checkpoint: " + listed(report.missing));
    if (!report.unused.empty())
      differences.push_back("in the checkpoint but not in this run: " + listed(report.unused));
    throw ConfigurationError(fmt::format("{} does not match the model: {}; {}", path_,
                                         fmt::join(differences, "; "), options_.remedy));
  }

  const std::vector<Loadable>& saved_;
  const std::string& path_;
  const LoadOptions& options_;
  std::map<Key, std::size_t> by_name_;
  LoadMatch result_;
};

}  // namespace

std::vector<Renaming> renamings_from_text(const std::string& text) {
  std::vector<Renaming> rules;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const std::string rule = text.substr(begin, end - begin);
    const auto equals = rule.find('=');
    if (equals == std::string::npos)
      throw ConfigurationError(fmt::format(
          "renaming rule \"{}\" has no '='; write old=new, as in \"model.=,enc.=blocks.\"", rule));
    rules.push_back({rule.substr(0, equals), rule.substr(equals + 1)});
    begin = end + 1;
  }
  return rules;
}

std::optional<std::string> wanted_name(const Loadable& saved, const LoadOptions& options) {
  const std::size_t start = start_of_name(saved.kind, saved.name);
  std::string name = saved.name.substr(start);
  if (!name.starts_with(options.prefix)) return std::nullopt;
  name.erase(0, options.prefix.size());
  for (const Renaming& rule : options.rename) {
    if (name.starts_with(rule.from)) name.replace(0, rule.from.size(), rule.to);
  }
  return saved.name.substr(0, start) + name;
}

LoadMatch match(const std::vector<Loadable>& saved, const State& wanted, const std::string& path,
                const LoadOptions& options) {
  return Matcher(saved, path, options).match(wanted);
}

}  // namespace ripieno::io
