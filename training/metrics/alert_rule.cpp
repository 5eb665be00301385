#include "ripieno/training/metrics/alert_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/training/settings/command_line.h"
#include "ripieno/training/settings/nearest_key.h"

namespace ripieno {
namespace {

using Comparison = AlertRule::Comparison;

constexpr std::string_view kArrow = "->", kOwnPrefix = "own.", kBlanks = " \t\r\n",
                           kNotRecorded = "(not recorded)";

// The longer ones first.
constexpr std::pair<std::string_view, Comparison> kComparisons[] = {
    {">=", Comparison::at_least}, {"<=", Comparison::at_most}, {"==", Comparison::equal},
    {"!=", Comparison::unequal},  {">", Comparison::greater},  {"<", Comparison::less}};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// Removes and returns the first word, up to one of `ends`.
std::string_view take_word(std::string_view& text, std::string_view ends) {
  text = trimmed(text);
  const auto word = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(word.size());
  return word;
}

[[noreturn]] void refuse(std::string_view rule, const std::string& why) {
  std::string line = fmt::format("alerts.rules: \"{}\": {}", rule, why);
  std::replace(line.begin(), line.end(), '\n', ' ');
  throw ConfigurationError(line + "; a rule is, for example, loss > 8 for 100 steps -> COMMAND");
}

std::vector<std::string> known_metrics() {
  std::vector<std::string> names(std::begin(io::metric::kKnown), std::end(io::metric::kKnown));
  for (const char* phase :
       {"data", "forward", "backward", "communication_exposed", "optimizer", "checkpoint", "total"})
    names.push_back(fmt::format("seconds.{}", phase));
  names.emplace_back("slowest.score");
  return names;
}

void require_known(std::string_view metric, std::string_view rule) {
  const auto names = known_metrics();
  const auto own = metric.starts_with(kOwnPrefix) ? metric.substr(kOwnPrefix.size()) : "";
  const bool is_own = !own.empty();
  if (is_own && std::find(names.begin(), names.end(), own) != names.end())
    refuse(rule, fmt::format("{0} is a metric of the run, which is written {0}", own));
  if (is_own || std::find(names.begin(), names.end(), metric) != names.end()) return;
  refuse(rule, fmt::format("unknown metric {0}; did you mean {1}? A metric of your program is "
                           "written own.{0}",
                           metric, nearest_key(names, metric)));
}

Comparison take_comparison(std::string_view& text, std::string_view rule) {
  text = trimmed(text);
  for (const auto& [symbol, comparison] : kComparisons) {
    if (!text.starts_with(symbol)) continue;
    text.remove_prefix(symbol.size());
    return comparison;
  }
  refuse(rule, fmt::format("found \"{}\" after the metric; required is one of > >= < <= == !=",
                           text.substr(0, text.find_first_of(kBlanks))));
}

template <typename T>
T parse_number(std::string_view word, std::string_view rule, const char* what) {
  T number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool is_whole = error == std::errc() && end == word.data() + word.size();
  if (!is_whole || !std::isfinite(static_cast<double>(number)))
    refuse(rule, fmt::format("found \"{}\"; required is {}", word, what));
  return number;
}

int64_t take_steps(std::string_view& text, std::string_view rule) {
  text = trimmed(text);
  if (text.empty()) return 1;
  const auto word = take_word(text, kBlanks);
  const auto count = take_word(text, kBlanks);
  const auto unit = take_word(text, kBlanks);
  const bool is_duration = word == "for" && (unit == "steps" || unit == "step");
  if (!is_duration || !trimmed(text).empty())
    refuse(rule, "after the number, \"for N steps\" or \"-> COMMAND\" is required");
  const auto steps = parse_number<int64_t>(count, rule, "a whole number of steps");
  if (steps < 1 || steps > kMostSteps)
    refuse(rule, fmt::format("it must hold for 1 to {} steps, got {}", kMostSteps, steps));
  return steps;
}

const double* find(const std::vector<std::pair<std::string, double>>& numbers,
                   std::string_view name) {
  const auto found = std::find_if(numbers.begin(), numbers.end(),
                                  [&](const auto& number) { return number.first == name; });
  return found == numbers.end() ? nullptr : &found->second;
}

}  // namespace

bool AlertRule::holds(double value) const {
  switch (comparison) {
    case Comparison::greater:
      return value > number;
    case Comparison::at_least:
      return value >= number;
    case Comparison::less:
      return value < number;
    case Comparison::at_most:
      return value <= number;
    case Comparison::equal:
      return value == number;
    case Comparison::unequal:
      return value != number;
  }
  return false;
}

AlertRule parse_alert_rule(std::string_view rule) {
  AlertRule parsed;
  const auto arrow = rule.find(kArrow);
  std::string_view condition = trimmed(rule.substr(0, arrow));
  if (arrow != std::string_view::npos) {
    parsed.command = trimmed(rule.substr(arrow + kArrow.size()));
    if (parsed.command.empty()) refuse(rule, "there is no command after ->");
    if (parsed.command.find('\0') != std::string::npos) refuse(rule, "the command has a zero byte");
  }
  parsed.text = condition;
  parsed.metric = take_word(condition, " \t\r\n<>=!");
  if (parsed.metric.empty()) refuse(rule, "it does not begin with the name of a metric");
  require_known(parsed.metric, rule);
  parsed.comparison = take_comparison(condition, rule);
  parsed.number = parse_number<double>(take_word(condition, kBlanks), rule, "a finite number");
  parsed.steps = take_steps(condition, rule);
  return parsed;
}

std::string without_command(std::string_view rule) {
  const auto arrow = rule.find(kArrow);
  if (arrow == std::string_view::npos) return std::string(rule);
  return fmt::format("{}{} {}", rule.substr(0, arrow), kArrow, kNotRecorded);
}

std::vector<std::string> without_alert_commands(std::vector<std::string> words) {
  constexpr std::string_view kKey = "alerts.rules";
  for (std::string& word : words) {
    const auto value = word.find('=', std::min(word.find(kKey), word.size()));
    if (value != std::string::npos) word = word.substr(0, value + 1) + std::string(kNotRecorded);
  }
  return words;
}

std::optional<double> value_of(std::string_view metric, const io::StepMetrics& line) {
  const auto dot = metric.find('.');
  const auto section = metric.substr(0, dot), name = metric.substr(dot + 1);
  if (metric.starts_with(kOwnPrefix) || dot == std::string_view::npos) {
    const io::Metric* found = line.find(name);
    return found ? std::optional(found->number()) : std::nullopt;
  }
  const double* found = find(section == "seconds" ? line.seconds : line.slowest, name);
  return found ? std::optional(*found) : std::nullopt;
}

}  // namespace ripieno
