#include <fmt/format.h>

#include <algorithm>

#include "ripieno/io/run/progress.h"
#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

// " (the loss was 1.73 at step 1,200)": the last finite loss.
std::string last_loss(const RunFacts& run) {
  const auto& points = run.metrics.points;
  const auto last = std::find_if(points.rbegin(), points.rend(), [](const auto& point) {
    return point.is_loss_finite && point.loss;
  });
  if (last == points.rend()) return "";
  return fmt::format(" (the last finite loss in metrics.jsonl is {:.4g}, of step {})", *last->loss,
                     io::with_thousands(last->step));
}

// Without what the run does already.
std::string remedy_of_divergence(const RunFacts& run) {
  std::string remedy =
      "lower optimizer.learning_rate, lengthen schedule.warmup_steps, set train.gradient_clip, or "
      "check the data of that step";
  if (!run.start || run.start->on_bad_step != "rollback")
    remedy += "; safety.on_bad_step=rollback leaves it out";
  return remedy + "; `--resume PATH` starts from an earlier checkpoint";
}

std::string remedy_of_bad_steps(const RunFacts& run) {
  const std::string rate = "lower optimizer.learning_rate";
  const bool may_be_float16 =
      !run.start || run.start->precision.empty() || run.start->precision == "float16";
  return rate + (may_be_float16 ? ", set train.gradient_clip, or use train.precision=bfloat16 "
                                  "instead of float16"
                                : " or set train.gradient_clip");
}

std::vector<Finding> find_divergence(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : errors_of(run, {static_cast<int>(ExitStatus::diverged)})) {
    found.push_back(error_of(run, *failure));
    found.back().text += last_loss(run);
    found.back().remedy = remedy_of_divergence(run);
  }
  return found;
}

std::vector<Finding> find_different_ranks(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : errors_of(run, {static_cast<int>(ExitStatus::ranks_differ)}))
    found.push_back(error_of(run, *failure));
  return found;
}

std::vector<Finding> find_bad_steps(const RunFacts& run) {
  const auto& points = run.metrics.points;
  int64_t bad = 0;
  const MetricPoint* first = nullptr;
  for (const auto& point : points) {
    if (point.is_loss_finite) continue;
    ++bad;
    if (!first) first = &point;
  }
  if (bad == 0) return {};
  std::string text = fmt::format(
      "the loss or the gradient norm is not finite in {} of {} {}lines of metrics.jsonl, first at "
      "step {}",
      bad, points.size(), run.metrics.is_sampled ? "sampled " : "",
      io::with_thousands(first->step));
  if (points.back().skipped_steps.value_or(0) > 0)
    text += fmt::format("; {} steps were skipped", *points.back().skipped_steps);
  return {{.text = text, .remedy = remedy_of_bad_steps(run)}};
}

std::vector<Finding> find_rollbacks(const RunFacts& run) {
  const auto& points = run.metrics.points;
  const auto last = std::find_if(points.rbegin(), points.rend(),
                                 [](const auto& point) { return point.rollbacks.has_value(); });
  if (last == points.rend() || *last->rollbacks == 0) return {};
  const auto first = std::find_if(points.begin(), points.end(),
                                  [](const auto& point) { return point.rollbacks.has_value(); });
  return {{.text = fmt::format(
               "{} {} to an earlier checkpoint, the first seen at step {} of metrics.jsonl; the "
               "training state of the newest checkpoint lists the samples that are left out "
               "(left_out)",
               *last->rollbacks, *last->rollbacks == 1 ? "rollback" : "rollbacks",
               io::with_thousands(first->step))}};
}

std::vector<Finding> find_bad_checkpoint(const RunFacts& run) {
  if (run.saved.not_finite == 0) return {};
  return {{.text = fmt::format("the newest checkpoint, {}, has {} NaN or infinite element{}, the "
                               "first in {}",
                               run.saved.intact_path, run.saved.not_finite,
                               run.saved.not_finite == 1 ? "" : "s", run.saved.not_finite_tensor)}};
}

constexpr Diagnosis kDiagnoses[] = {
    {"R-NUM-01", "training diverged", Stage::failure,
     "lower optimizer.learning_rate, lengthen schedule.warmup_steps, set train.gradient_clip, or "
     "check the data of that step; safety.on_bad_step=rollback leaves it out; `--resume PATH` "
     "starts from an earlier checkpoint",
     find_divergence},
    {"R-NUM-02", "ranks hold different numbers", Stage::failure,
     "test the memory and the processor or GPU of the rank that the message names; leave its host "
     "out; the same command resumes from the newest checkpoint, which is sound",
     find_different_ranks},
    {"R-NUM-03", "numbers that are not finite", Stage::caution,
     "lower optimizer.learning_rate, set train.gradient_clip, or use train.precision=bfloat16 "
     "instead of float16",
     find_bad_steps},
    {"R-NUM-04", "a checkpoint has numbers that are not finite", Stage::caution,
     "resume from an earlier one: `ripieno inspect RUN` lists them, `--resume PATH` uses one",
     find_bad_checkpoint},
    {"R-NUM-05", "training rolled back because of bad steps", Stage::caution,
     "check the samples that the lines of the run about rollbacks name; if they are sound, lower "
     "optimizer.learning_rate or set train.gradient_clip",
     find_rollbacks},
};

}  // namespace

std::span<const Diagnosis> number_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
