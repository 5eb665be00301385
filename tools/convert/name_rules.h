// NameRules: a table of tensor names, ours and those of Hugging Face's transformers, used in both
// directions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools {

struct NameRule {
  std::string_view ours, theirs;  // '#' matches the number of a block
  bool is_transposed = false;
  bool is_optional = false;  // not every model has it
};

struct NameMatch {
  std::string name;
  const NameRule* rule;
};

using NameRules = std::vector<NameRule>;

// The number in `name` that '#' matches; "" if the pattern has no '#'. Empty if `name` does not
// match.
std::optional<std::string> match(std::string_view pattern, std::string_view name);
// `pattern` with '#' replaced by `block`.
std::string with_block(std::string_view pattern, std::string_view block);

// Empty if no rule matches.
std::optional<NameMatch> to_theirs(const NameRules& rules, std::string_view name);
std::optional<NameMatch> to_ours(const NameRules& rules, std::string_view name);

}  // namespace ripieno::tools
