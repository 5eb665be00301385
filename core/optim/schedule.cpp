#include "ripieno/core/optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/option_check.h"

namespace ripieno::optim {
namespace {

// The fraction of the steps from `begin` to `end` that are done at `step`, in [0, 1].
double progress(int64_t step, int64_t begin, int64_t end) {
  if (end <= begin) return step < end ? 0.0 : 1.0;
  // In double, since any two numbers of steps are accepted.
  const double first = static_cast<double>(begin);
  const double fraction = (static_cast<double>(step) - first) / (static_cast<double>(end) - first);
  return std::clamp(fraction, 0.0, 1.0);
}

void require_steps(const char* name, int64_t value) {
  if (value >= 0) return;
  throw ConfigurationError(fmt::format("schedule: {} is {}; it must be at least 0", name, value));
}

void require_in(const char* name, double value, bool holds, const char* domain) {
  if (holds) return;
  throw ConfigurationError(fmt::format("schedule: {} is {}; it must be {}", name, value, domain));
}

void require_factor(double factor) {
  require_in("factor", factor, factor > 0.0 && factor <= 1.0, "above 0 and at most 1");
}

void require_milestones(const Schedule& schedule) {
  int64_t before = 0;
  for (const int64_t milestone : schedule.milestones) {
    if (milestone <= before)
      throw ConfigurationError(fmt::format(
          "schedule: milestone {} follows {}; milestones must be positive and ascending", milestone,
          before));
    before = milestone;
  }
  if (schedule.milestones.empty())
    throw ConfigurationError(
        "schedule: milestones is empty; multi_step requires the steps after which the learning "
        "rate "
        "is multiplied by factor");
}

void require_parts(const Schedule& schedule) {
  if (schedule.parts.empty())
    throw ConfigurationError("schedule: parts is empty; a chain requires at least one schedule");
  for (std::size_t i = 0; i < schedule.parts.size(); ++i) {
    const Schedule& part = schedule.parts[i];
    if (part.kind == Schedule::Kind::chain || part.kind == Schedule::Kind::reduce_on_plateau)
      throw ConfigurationError(
          fmt::format("schedule: part {} is a {}, which cannot be part of a chain", i,
                      part.kind == Schedule::Kind::chain ? "chain" : "reduce_on_plateau"));
    if (part.steps < 1 && i + 1 < schedule.parts.size())
      throw ConfigurationError(fmt::format(
          "schedule: steps of part {} is {}; a part that others follow requires at least 1", i,
          part.steps));
    check(part);
  }
}

// The learning rate of a schedule of its own, that is, not of a chain. `step` > warmup_steps.
double after_warmup(const Schedule& schedule, double peak, int64_t step) {
  using Kind = Schedule::Kind;
  const auto& [kind, unused, final, warmup_steps, steps, decay_steps, factor, interval, milestones,
               power, initial, parts] = schedule;
  const auto to_final = [&, &final = final](double fraction) {
    return peak + (final - peak) * fraction;
  };
  const auto reduced = [&, &final = final, &factor = factor](double times) {
    const double least = std::min(final, peak);
    return std::max(least, peak * std::pow(factor, times));
  };
  const auto followed = static_cast<double>(step) - static_cast<double>(warmup_steps) - 1.0;
  switch (kind) {
    case Kind::constant:
    case Kind::reduce_on_plateau:
    case Kind::chain:
      return peak;
    case Kind::linear:
      return to_final(progress(step, warmup_steps, steps));
    case Kind::cosine:
    case Kind::one_cycle:
      return to_final(0.5 - 0.5 * std::cos(std::numbers::pi * progress(step, warmup_steps, steps)));
    case Kind::warmup_stable_decay:
      return to_final(progress(step, steps - decay_steps, steps));
    case Kind::step:
      return reduced(std::floor(followed / static_cast<double>(interval)));
    case Kind::multi_step:
      return reduced(static_cast<double>(
          std::ranges::count_if(milestones, [&](int64_t milestone) { return step > milestone; })));
    case Kind::exponential:
      return reduced(followed);
    case Kind::polynomial:
      return to_final(1.0 - std::pow(1.0 - progress(step, warmup_steps, steps), power));
    case Kind::inverse_square_root:
      return peak * std::sqrt(static_cast<double>(std::max<int64_t>(warmup_steps, 1)) /
                              static_cast<double>(step));
  }
  return peak;
}

double at_step(const Schedule& schedule, double peak, int64_t step) {
  if (step > schedule.warmup_steps) return after_warmup(schedule, peak, step);
  const auto warmup = static_cast<double>(std::max<int64_t>(schedule.warmup_steps, 1));
  if (schedule.kind != Schedule::Kind::one_cycle) return peak * static_cast<double>(step) / warmup;
  const double fraction =
      warmup > 1.0 ? std::clamp((static_cast<double>(step) - 1.0) / (warmup - 1.0), 0.0, 1.0) : 1.0;
  return schedule.initial +
         (peak - schedule.initial) * (0.5 - 0.5 * std::cos(std::numbers::pi * fraction));
}

double at_step_of_chain(const Schedule& chain, double peak, int64_t step) {
  for (std::size_t i = 0; i + 1 < chain.parts.size(); ++i) {
    const Schedule& part = chain.parts[i];
    peak = part.peak.value_or(peak);
    if (step <= part.steps) return at_step(part, peak, step);
    step -= part.steps;
    peak = at_step(part, peak, part.steps);
  }
  const Schedule& last = chain.parts.back();
  return at_step(last, last.peak.value_or(peak), step);
}

// A loss that is not finite does not improve, nor does it become the best one, which no other would
// improve.
bool improves(double loss, const std::optional<double>& best, double threshold) {
  return std::isfinite(loss) && (!best || loss < *best - threshold * std::abs(*best));
}

}  // namespace

bool ends(Schedule::Kind kind) {
  using enum Schedule::Kind;
  return kind == linear || kind == cosine || kind == warmup_stable_decay || kind == polynomial ||
         kind == one_cycle;
}

void check(const Schedule& schedule) {
  using Kind = Schedule::Kind;
  if (schedule.peak) require_not_negative("schedule", "peak", *schedule.peak);
  require_not_negative("schedule", "final", schedule.final);
  require_not_negative("schedule", "initial", schedule.initial);
  require_factor(schedule.factor);
  require_in("power", schedule.power, schedule.power > 0.0 && std::isfinite(schedule.power),
             "above 0 and finite");
  if (ends(schedule.kind) && schedule.steps < 1)
    throw ConfigurationError(
        fmt::format("schedule: steps is {}, so every step would have the final learning rate; it "
                    "must be at least 1, usually the number of steps of the run",
                    schedule.steps));
  require_steps("warmup_steps", schedule.warmup_steps);
  require_steps("decay_steps", schedule.decay_steps);
  require_steps("interval", schedule.interval);
  if (schedule.kind == Kind::step && schedule.interval < 1)
    throw ConfigurationError(
        "schedule: interval is 0; step requires the number of steps after which the learning rate "
        "is multiplied by factor");
  if (schedule.kind == Kind::multi_step) require_milestones(schedule);
  if (schedule.kind == Kind::chain) require_parts(schedule);
}

double Schedule::at(int64_t step) const {
  check(*this);
  const bool has_peak = peak || (kind == Kind::chain && parts.front().peak);
  if (!has_peak)
    throw ConfigurationError(
        "schedule: peak is not set; set it to the highest learning rate, or pass the schedule to a "
        "Run, which takes that of the optimizer");
  if (kind == Kind::chain) return at_step_of_chain(*this, peak.value_or(0.0), step);
  return at_step(*this, *peak, step);
}

void check(const PlateauOptions& options) {
  require_in("factor", options.factor, options.factor > 0.0 && options.factor < 1.0,
             "above 0 and below 1");
  require_steps("patience", options.patience);
  require_steps("cooldown", options.cooldown);
  require_not_negative("schedule", "threshold", options.threshold);
}

Plateau::Plateau(const PlateauOptions& options) : options_(options) { check(options); }

void Plateau::note(double loss) {
  auto& [scale, best, without_improvement, cooling] = state_;
  if (improves(loss, best, options_.threshold)) {
    best = loss;
    without_improvement = 0;
  } else {
    ++without_improvement;
  }
  if (cooling > 0) {
    --cooling;
    without_improvement = 0;
  }
  if (without_improvement <= options_.patience) return;
  scale *= options_.factor;
  cooling = options_.cooldown;
  without_improvement = 0;
}

void Patience::note(double loss) {
  if (improves(loss, best, threshold)) {
    best = loss;
    without_improvement = 0;
  } else {
    ++without_improvement;
  }
}

}  // namespace ripieno::optim
