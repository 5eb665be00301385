#include "ripieno/tools/runs/compare.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metrics_reader.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/tools/table.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::runs {
namespace {

using nlohmann::json;

struct Losses {
  std::vector<std::pair<int64_t, double>> of_step = {};  // in order
  std::optional<double> validation = {};
};

Losses losses_of(const std::string& path, std::vector<std::string>& remarks) {
  Losses losses;
  if (!io::local_files().exists(path)) return losses;
  const auto skipped = io::for_each_step(path, [&](const io::StepMetrics& step) {
    if (const auto* loss = step.find(io::metric::kLoss))
      losses.of_step.emplace_back(step.step, loss->number());
    if (const auto validation = step.get(io::metric::kValidationLoss))
      losses.validation = validation;
  });
  if (skipped.count > 0) remarks.push_back(skipped.description(path));
  return losses;
}

bool is_same(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

std::optional<LossComparison::Final> last_of(const Losses& losses) {
  if (losses.of_step.empty()) return std::nullopt;
  return LossComparison::Final{losses.of_step.back().first, losses.of_step.back().second};
}

void require_run(const std::string& directory) {
  const io::RunPaths paths{directory};
  const auto& files = io::local_files();
  if (files.exists(paths.record()) || files.exists(paths.metrics())) return;
  throw UsageError(directory + ": not a run directory, which has run.json or metrics.jsonl");
}

std::string final_text(const char* name, const std::optional<LossComparison::Final>& last,
                       const std::optional<double>& validation) {
  if (!last) return fmt::format("{}: no loss\n", name);
  std::string text =
      fmt::format("{}: loss {:.17g} at step {}", name, last->loss, io::with_thousands(last->step));
  if (validation) text += fmt::format(", validation {:.17g}", *validation);
  return text + "\n";
}

json final_json(const std::optional<LossComparison::Final>& last,
                const std::optional<double>& validation) {
  if (!last) return {};
  return {{"step", last->step},
          {"loss", last->loss},
          {"validation_loss", validation ? json(*validation) : json()}};
}

}  // namespace

LossComparison compare_losses(const std::string& a, const std::string& b,
                              std::vector<std::string>& remarks) {
  const Losses of_a = losses_of(a, remarks), of_b = losses_of(b, remarks);
  LossComparison comparison{.last_of_a = last_of(of_a),
                            .last_of_b = last_of(of_b),
                            .validation_of_a = of_a.validation,
                            .validation_of_b = of_b.validation};
  auto other = of_b.of_step.begin();
  for (const auto& [step, loss] : of_a.of_step) {
    while (other != of_b.of_step.end() && other->first < step) ++other;
    if (other == of_b.of_step.end() || other->first != step) continue;
    ++comparison.common;
    if (!comparison.first && !is_same(loss, other->second))
      comparison.first = {step, loss, other->second};
  }
  return comparison;
}

Comparison compare(const std::string& a, const std::string& b) {
  require_run(a);
  require_run(b);
  Comparison comparison{.a = a, .b = b};
  const auto start_of = [&](const std::string& directory) {
    try {
      return io::last_start_of(io::read_record({directory}));
    } catch (const DataError& error) {
      comparison.remarks.push_back(error.what());
      return json::object();
    }
  };
  comparison.differences = io::record_differences({start_of(a), start_of(b)});
  comparison.losses =
      compare_losses(io::RunPaths{a}.metrics(), io::RunPaths{b}.metrics(), comparison.remarks);
  return comparison;
}

std::string to_text(const LossComparison& losses) {
  if (losses.common == 0) return "losses: no step has a loss in both";
  const std::string steps = counted(losses.common, "common step");
  if (!losses.first) return fmt::format("losses: equal bit by bit in {}", steps);
  return fmt::format("losses: of {}, the first that differs is step {}: {:.17g} and {:.17g}", steps,
                     io::with_thousands(losses.first->step), losses.first->a, losses.first->b);
}

std::string to_text(const Comparison& comparison) {
  Table table("lll");
  table.add({"", "A: " + comparison.a, "B: " + comparison.b});
  for (const auto& difference : comparison.differences)
    table.add(
        {difference.key, difference.values[0].value_or("–"), difference.values[1].value_or("–")});
  std::string text =
      comparison.differences.empty() ? "Their records say the same.\n" : table.text();
  const auto& losses = comparison.losses;
  text += to_text(losses) + "\n" + final_text("A", losses.last_of_a, losses.validation_of_a) +
          final_text("B", losses.last_of_b, losses.validation_of_b);
  for (const auto& remark : comparison.remarks) text += "Not read: " + remark + "\n";
  return text;
}

json to_json(const Comparison& comparison) {
  json differences = json::array();
  for (const auto& difference : comparison.differences) {
    const auto value = [&](std::size_t i) {
      return difference.values[i] ? json(*difference.values[i]) : json();
    };
    differences.push_back({{"key", difference.key}, {"a", value(0)}, {"b", value(1)}});
  }
  const auto& losses = comparison.losses;
  json first;
  if (losses.first)
    first = {{"step", losses.first->step}, {"a", losses.first->a}, {"b", losses.first->b}};
  return {{"a", comparison.a},
          {"b", comparison.b},
          {"differences", differences},
          {"losses",
           {{"common_steps", losses.common},
            {"first_difference", first},
            {"last_of_a", final_json(losses.last_of_a, losses.validation_of_a)},
            {"last_of_b", final_json(losses.last_of_b, losses.validation_of_b)}}},
          {"remarks", comparison.remarks}};
}

}  // namespace ripieno::tools::runs
