// NameRules: what a tensor of one house is called in another. A table of pairs, read both ways.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools {

struct NameRule {
  std::string_view ours, theirs;  // '#' stands for the number of a block
  bool is_transposed = false;
  bool is_optional = false;  // a model may lack it
};

struct NameFound {
  std::string name;
  const NameRule* rule;
};

using NameRules = std::vector<NameRule>;

// The number that stands for '#' where `name` fits `pattern`; empty where the pattern has none.
std::optional<std::string> fit(std::string_view pattern, std::string_view name);
std::string with_block(std::string_view pattern, std::string_view block);

std::optional<NameFound> to_theirs(const NameRules& rules, std::string_view name);
std::optional<NameFound> to_ours(const NameRules& rules, std::string_view name);

}  // namespace ripieno::tools
