#include "ripieno/tools/convert/name_rules.h"

#include <algorithm>

namespace ripieno::tools {
namespace {

std::optional<NameMatch> translated(const NameRules& rules, std::string_view name,
                                    std::string_view NameRule::*from,
                                    std::string_view NameRule::*to) {
  for (const NameRule& rule : rules) {
    if (const auto block = match(rule.*from, name))
      return NameMatch{with_block(rule.*to, *block), &rule};
  }
  return std::nullopt;
}

// "0", "12"; not "", "01" or "1x".
bool is_number(std::string_view text) {
  constexpr std::size_t kMostDigits = 9;
  return !text.empty() && text.size() <= kMostDigits && (text == "0" || text.front() != '0') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<std::string> match(std::string_view pattern, std::string_view name) {
  const auto hash = pattern.find('#');
  if (hash == std::string_view::npos)
    return name == pattern ? std::optional<std::string>("") : std::nullopt;
  const auto before = pattern.substr(0, hash), after = pattern.substr(hash + 1);
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) ||
      !name.ends_with(after))
    return std::nullopt;
  name.remove_prefix(before.size());
  name.remove_suffix(after.size());
  return is_number(name) ? std::optional<std::string>(name) : std::nullopt;
}

std::string with_block(std::string_view pattern, std::string_view block) {
  std::string name(pattern);
  if (const auto hash = name.find('#'); hash != std::string::npos) name.replace(hash, 1, block);
  return name;
}

std::optional<NameMatch> to_theirs(const NameRules& rules, std::string_view name) {
  return translated(rules, name, &NameRule::ours, &NameRule::theirs);
}

std::optional<NameMatch> to_ours(const NameRules& rules, std::string_view name) {
  return translated(rules, name, &NameRule::theirs, &NameRule::ours);
}

}  // namespace ripieno::tools
