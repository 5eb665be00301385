// AlertRule: a condition on a metric, and a command to run when it holds:
//
//   loss > 8 for 100 steps -> mail -s "$RIPIENO_ALERT_RULE" me@example.org
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/run/metrics.h"

namespace ripieno {

struct AlertRule {
  enum class Comparison { greater, at_least, less, at_most, equal, unequal };

  std::string text;    // without the command
  std::string metric;  // "loss", "seconds.total", "slowest.score"; "own.kl": the program's kl
  Comparison comparison = Comparison::greater;
  double number = 0;
  int64_t steps = 1;    // for which the condition must hold
  std::string command;  // for /bin/sh; empty: the alert is only recorded

  // False if the value is NaN, except for Comparison::unequal.
  bool holds(double value) const;
};

// Throws ConfigurationError, which names the part of the rule that is wrong. Metrics of the program
// itself begin with "own."; they are checked only against those of every run.
AlertRule parse_alert_rule(std::string_view rule);

// The rule with "(not recorded)" instead of its command, which may contain a password.
std::string without_command(std::string_view rule);
// The words of a command line, so too where they set alerts.rules.
std::vector<std::string> without_alert_commands(std::vector<std::string> words);

// The metric of a rule in a line; nullopt if it is not there.
std::optional<double> value_of(std::string_view metric, const io::StepMetrics& line);

}  // namespace ripieno
