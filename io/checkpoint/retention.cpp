#include "ripieno/io/checkpoint/retention.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

struct Candidate {
  StepDirectory directory;
  bool opens = false;  // else it is nothing to fall back on
  std::optional<double> measured = {};
};

std::optional<double> measured_in(const nlohmann::json& training_state, const std::string& metric) {
  if (!training_state.is_object()) return std::nullopt;
  const auto measured = training_state.find("measured");
  if (measured == training_state.end() || !measured->is_object()) return std::nullopt;
  const auto value = measured->find(metric);
  if (value == measured->end() || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

// Newest first.
std::vector<Candidate> candidates(const FileSystem& files, const std::string& directory,
                                  int64_t newest_step, const std::string& metric) {
  std::vector<Candidate> found;
  for (const StepDirectory& step : step_directories(files, directory)) {
    if (step.step > newest_step || !is_candidate(files, step)) continue;
    Candidate candidate{step};
    try {
      const auto checkpoint = Checkpoint::open(files, step.path);
      candidate = {step, true, measured_in(checkpoint.training_state(), metric)};
    } catch (const Error&) {
    }
    found.push_back(std::move(candidate));
  }
  return found;
}

std::set<int64_t> newest_steps(const std::vector<Candidate>& candidates, int count) {
  std::set<int64_t> steps;
  for (const Candidate& candidate : candidates) {
    if (candidate.opens && std::ssize(steps) < count) steps.insert(candidate.directory.step);
  }
  return steps;
}

std::set<int64_t> best_steps(const std::vector<Candidate>& candidates, const Retention& retention) {
  std::vector<std::pair<int64_t, double>> ranked;
  for (const Candidate& candidate : candidates) {
    if (candidate.measured) ranked.emplace_back(candidate.directory.step, *candidate.measured);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
    return is_better(retention.metric, a.second, b.second);
  });
  std::set<int64_t> steps;
  for (const auto& [step, value] : ranked) {
    if (std::ssize(steps) < retention.best) steps.insert(step);
  }
  return steps;
}

}  // namespace

bool is_better(const std::string& metric, double value, double than) {
  return metric.ends_with("loss") ? value < than : value > than;
}

void remove_surplus(FileSystem& files, const std::string& checkpoints_directory,
                    int64_t newest_step, const Retention& retention) {
  if (retention.newest <= 0) return;
  const auto found = candidates(files, checkpoints_directory, newest_step, retention.metric);
  const auto newest = newest_steps(found, retention.newest);
  const auto best = best_steps(found, retention);
  std::set<int64_t> kept;
  for (const Candidate& candidate : found) {
    const int64_t step = candidate.directory.step;
    // What does not open may yet be mended; it goes once enough newer ones stand.
    const bool is_surplus = std::ssize(newest) == retention.newest && step < *newest.begin();
    const bool is_kept = candidate.opens ? newest.contains(step) || best.contains(step) ||
                                               (retention.every > 0 && step % retention.every == 0)
                                         : !is_surplus;
    const bool is_second = candidate.opens && !kept.insert(step).second;
    if (!is_kept || is_second) remove_checkpoint(files, candidate.directory.path);
  }
}

}  // namespace ripieno::io
