#include "ripieno/io/checkpoint/retention.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

// State of a manifest. `unknown`: it may be intact, but cannot be read now (the error may be
// temporary) or has a newer format version.
enum class ManifestState { valid, damaged, unknown };

struct Candidate {
  StepDirectory directory;
  ManifestState manifest = ManifestState::unknown;
  bool is_finite = false;
  std::optional<double> measured = {};

  bool is_valid() const { return manifest == ManifestState::valid; }
};

std::optional<double> measured_in(const nlohmann::json& training_state, const std::string& metric) {
  if (!training_state.is_object()) return std::nullopt;
  const auto measured = training_state.find("measured");
  if (measured == training_state.end() || !measured->is_object()) return std::nullopt;
  const auto value = measured->find(metric);
  if (value == measured->end() || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

bool lacks_manifest(const FileSystem& files, const std::string& path) {
  try {
    const auto names = files.names_in(path);
    return std::find(names.begin(), names.end(), kManifestName) == names.end();
  } catch (const StorageError&) {
    return false;  // not known
  }
}

Candidate read_candidate(const FileSystem& files, const StepDirectory& step,
                         const std::string& metric) {
  try {
    const Manifest manifest = read_manifest(files, step.path);
    return {step, ManifestState::valid, is_finite(manifest),
            measured_in(manifest.training_state, metric)};
  } catch (const LaterVersion&) {
    return {step};
  } catch (const DataError&) {
    return {step, ManifestState::damaged};
  } catch (const StorageError&) {
    return {step,
            lacks_manifest(files, step.path) ? ManifestState::damaged : ManifestState::unknown};
  }
}

// nullopt if the directory is not a checkpoint; `unknown` if storage returns an error.
std::optional<Candidate> candidate_at(const FileSystem& files, const StepDirectory& step,
                                      const std::string& metric) {
  try {
    if (!is_candidate(files, step)) return std::nullopt;
    return read_candidate(files, step, metric);
  } catch (const StorageError&) {
    return Candidate{step};
  }
}

// Newest first.
std::vector<Candidate> candidates(const FileSystem& files, const std::string& directory,
                                  int64_t newest_step, const std::string& metric) {
  std::vector<Candidate> found;
  for (const StepDirectory& step : step_directories(files, directory)) {
    if (step.step > newest_step) continue;
    if (auto candidate = candidate_at(files, step, metric)) found.push_back(*std::move(candidate));
  }
  return found;
}

std::set<int64_t> newest_steps(const std::vector<Candidate>& candidates, int count) {
  std::set<int64_t> steps;
  for (const Candidate& candidate : candidates) {
    if (candidate.is_valid() && std::ssize(steps) < count) steps.insert(candidate.directory.step);
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

// Decides which checkpoints are kept. keeps() must be called from the newest to the oldest.
class Choice {
 public:
  Choice(const std::vector<Candidate>& candidates, const Retention& retention)
      : retention_(retention),
        newest_(newest_steps(candidates, retention.newest)),
        best_(best_steps(candidates, retention)) {}

  bool keeps(const Candidate& candidate) {
    const int64_t step = candidate.directory.step;
    switch (candidate.manifest) {
      case ManifestState::unknown:
        return true;
      case ManifestState::damaged:  // may be repairable: kept until there are enough newer ones
        return is_selected(step) || std::ssize(newest_) < retention_.newest ||
               step > *newest_.begin();
      case ManifestState::valid:
        break;
    }
    const bool is_newest_finite = candidate.is_finite && !has_finite_;
    has_finite_ = has_finite_ || candidate.is_finite;
    const bool is_first = seen_.insert(step).second;
    return is_newest_finite || (is_first && is_selected(step));
  }

 private:
  bool is_selected(int64_t step) const {
    return newest_.contains(step) || best_.contains(step) ||
           (retention_.every > 0 && step % retention_.every == 0);
  }

  const Retention& retention_;
  const std::set<int64_t> newest_, best_;
  std::set<int64_t> seen_;  // steps seen so far: at most one checkpoint per step is kept
  bool has_finite_ = false;
};

}  // namespace

bool is_better(const std::string& metric, double value, double than) {
  return metric.ends_with("loss") ? value < than : value > than;
}

void remove_surplus(FileSystem& files, const std::string& checkpoints_directory,
                    int64_t newest_step, const Retention& retention) {
  if (retention.newest <= 0) return;
  const auto found = candidates(files, checkpoints_directory, newest_step, retention.metric);
  Choice choice(found, retention);
  for (const Candidate& candidate : found) {
    if (!choice.keeps(candidate)) remove_checkpoint(files, candidate.directory.path);
  }
}

}  // namespace ripieno::io
