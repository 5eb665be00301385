#include "ripieno/training/run/run_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"

namespace ripieno {

using io::metric::kLoss;

namespace {

// Then something other than single batches is wrong, or what was an outlier is the norm now.
constexpr int64_t kMostSkippedInARow = 50;

void require_numbers(const char* operation, const Loss& loss) {
  const Operands operands = {{"the sum of the loss", loss.sum}, {"its count", loss.count}};
  require_defined(operation, operands);
  for (const auto& [name, tensor] : operands) {
    if (tensor.elements() != 1)
      fail(fmt::format("{}: {} has {} elements; it must be a scalar, such as sum(x)", operation,
                       name, tensor.elements()));
  }
}

std::vector<std::pair<std::string, double>> numbers_of(const watch::RankTimes::Slowest& slowest) {
  std::vector<std::pair<std::string, double>> numbers = {
      {"rank", static_cast<double>(slowest.rank)}, {"score", slowest.score}};
  for (std::size_t i = 0; i < slowest.seconds.size(); ++i)
    numbers.emplace_back(watch::RankTimes::kNames[i], slowest.seconds[i]);
  for (std::size_t i = 0; i < slowest.median.size(); ++i)
    numbers.emplace_back(fmt::format("median_{}", watch::RankTimes::kNames[i]), slowest.median[i]);
  return numbers;
}

}  // namespace

RunMetrics::RunMetrics(Session& session, const optim::Optimizer& optimizer,
                       const io::Loader& loader, const RunOptions& options, RunLog& log)
    : session_(session),
      optimizer_(optimizer),
      loader_(loader),
      options_(options),
      log_(log),
      loss_outliers_(options.safety.loss_outlier_factor),
      late_(session.device(), [this](const auto& step) { take(step); }) {
  shown_.steps = options.steps;
  shown_.unit = loader.unit();
  if (!options.parallel) return;
  clock_.divide_from(options.parallel->seconds());
  replayed_steps_ = options.parallel->replayed_steps();
}

void RunMetrics::charge_step(double seconds_waited) {
  clock_.charge(StepClock::forward);
  clock_.step();
  const auto optimizing = options_.parallel ? StepClock::optimizer : StepClock::forward;
  if (options_.parallel) clock_.divide(options_.parallel->seconds());
  clock_.move(optimizing, StepClock::checkpoint, seconds_waited);
}

// On a GPU, the time spent waiting for it is time of the step.
void RunMetrics::charge_waiting() {
  if (session_.device().is_cuda()) clock_.charge(StepClock::forward);
}

bool RunMetrics::is_logged(int64_t step) const {
  return step % options_.log_every == 0 || step >= options_.steps;
}

// Whether the loss over all ranks is known, or needed for a line of metrics.
bool RunMetrics::is_examined(int64_t step) const {
  const auto* parallel = options_.parallel;
  const bool is_known =
      parallel ? !parallel->has_local_steps() || parallel->met() : session_.size() == 1;
  return is_known || is_logged(step);
}

void RunMetrics::add(const char* operation, const Loss& loss, int64_t step) {
  if (options_.parallel) return;  // it has the loss; a rank without rows has none
  require_numbers(operation, loss);
  if (!is_examined(step)) return;
  losses_.push_back({loss.sum.detach(), loss.count.detach()});
}

void RunMetrics::end_step(int64_t step, int64_t samples, const std::vector<io::Metric>& extra) {
  shown_.step = step;
  for (const auto& metric : extra) io::require_custom_metric_name(metric.name);
  if (is_examined(step)) {
    io::StepMetrics line{.step = step};
    if (is_logged(step)) line = line_of(step, samples, extra);
    late_.add(std::move(line), loss_of_step(), optimizer_, is_logged(step));
  }
  late_.take_arrived();
  charge_waiting();
  losses_.clear();
}

// The loss over all ranks, on the device of the step.
Loss RunMetrics::loss_of_step() {
  const NoGrad no_grad;
  const distributed::DataParallel* parallel = options_.parallel;
  if (parallel && !parallel->has_local_steps()) return parallel->loss();
  if (parallel) losses_.push_back(parallel->loss());
  const Tensor totals = Tensor::zeros({2}, DType::float64, session_.device());
  for (const auto& loss : losses_) {
    add_into(totals.slice(0, 0, 1), loss.sum.to(DType::float64).reshape({1}));
    add_into(totals.slice(0, 1, 2), loss.count.to(DType::float64).reshape({1}));
  }
  if (session_.size() > 1) session_.communicator().all_reduce(totals);
  return {totals.slice(0, 0, 1).reshape({}), totals.slice(0, 1, 2).reshape({})};
}

// Phases of replayed steps are not measured.
bool RunMetrics::knows_phases() {
  if (!options_.parallel) return false;
  const int64_t replayed = options_.parallel->replayed_steps();
  return std::exchange(replayed_steps_, replayed) == replayed;
}

io::StepMetrics RunMetrics::line_of(int64_t step, int64_t samples,
                                    const std::vector<io::Metric>& extra) {
  io::StepMetrics line{.step = step};
  const double step_seconds = clock_.seconds_without_checkpoint();
  line.seconds = clock_.take(knows_phases());
  const int64_t units = samples * loader_.units_per_sample();
  const double rate =
      static_cast<double>(loader_.batch_size() * loader_.units_per_sample()) / step_seconds;
  const bool counts_tokens = loader_.unit() == "tokens";
  line.set({counts_tokens ? io::metric::kTokens : io::metric::kSamples, units});
  line.set({counts_tokens ? io::metric::kTokensPerSecond : io::metric::kSamplesPerSecond, rate});
  line.set({io::metric::kLearningRate, optimizer_.learning_rate()});
  if (rollbacks_ > 0) line.set({io::metric::kRollbacks, rollbacks_});
  add_skipped_data(line);
  for (const auto& metric : extra) line.set(metric);
  if (slowest_) line.slowest = numbers_of(*slowest_);
  return line;
}

// What all ranks left out. Warns if it became more.
void RunMetrics::add_skipped_data(io::StepMetrics& line) {
  const auto skipped = loader_.skipped();
  if (!skipped) return;
  int64_t count = skipped->count;
  if (session_.size() > 1) {
    const Tensor total = Tensor::zeros({1}, DType::float64);
    *total.data<double>() = static_cast<double>(count);
    const Tensor sum = total.to(session_.device());
    session_.communicator().all_reduce(sum);
    count = static_cast<int64_t>(*sum.to(Device::cpu()).data<double>());
  }
  line.set({io::metric::kSkippedData, count});
  if (count > std::exchange(skipped_data_, count)) {
    log_.warn(
        fmt::format("step {}: data.on_error=skip left out {} documents or sequences so far; "
                    "the first: {}",
                    line.step, count, skipped->count > 0 ? skipped->first : "on another rank"));
  }
}

void RunMetrics::take(const LateMetrics::Arrived& step) {
  if (!step.loss_is_finite || !step.gradient_is_finite) log_.count_step_not_finite();
  examine(step);
  if (!step.is_logged) return;
  log_.write(step.line);
  show(step.line);
}

// With loss scaling, the optimizer skips a step whose gradients overflow and halves the scale. That
// is a fault only once the scale cannot become smaller.
void RunMetrics::examine(const LateMetrics::Arrived& step) {
  const bool is_outlier = step.skips == kernels::kOutlier;
  if (fault_ || (step.scales_loss && !step.scale_is_least && !is_outlier)) return;
  const auto outlier = [&] {
    return fmt::format(
        "the gradient norm of {:.4g} is more than safety.outlier_factor={:.4g} times the mean of "
        "the steps before",
        step.gradient_norm, options_.safety.outlier_factor);
  };
  const bool skips = options_.safety.on_bad_step == SafetyOptions::OnBadStep::skip;
  if (skips && step.skips)
    return note_skipped(step.line.step, is_outlier ? outlier() : "the gradient is not finite");
  skipped_in_a_row_ = 0;
  if (is_outlier) {
    fault_ = {step.line.step, outlier()};
    return;
  }
  const auto* parallel = options_.parallel;
  const bool is_gradient_of_all = parallel ? !parallel->has_local_steps() : session_.size() == 1;
  if (!step.loss_is_finite) {
    fault_ = {step.line.step, "the loss is not finite"};
  } else if (is_gradient_of_all && !step.gradient_is_finite) {
    fault_ = {step.line.step, "the gradient is not finite"};
  } else {
    examine_loss(step);
  }
}

void RunMetrics::examine_loss(const LateMetrics::Arrived& step) {
  const auto usual = loss_outliers_.add(step.loss);
  if (!usual) return;
  fault_ = {
      step.line.step,
      fmt::format("the loss of {:.4g} exceeds the median {:.4g} of the steps before by more "
                  "than safety.loss_outlier_factor={:.4g} times their deviation {:.2g}",
                  step.loss, usual->median, options_.safety.loss_outlier_factor, usual->spread)};
}

// One line for each of the first skips, later for every doubling of their number.
void RunMetrics::note_skipped(int64_t step, const std::string& what) {
  ++skipped_;
  if (++skipped_in_a_row_ > kMostSkippedInARow) {
    fault_ = {step, fmt::format("{}, and {} steps before it were skipped in a row", what,
                                kMostSkippedInARow)};
    return;
  }
  if (skipped_ > 5 && (skipped_ & (skipped_ - 1)) != 0) return;
  log_.warn(
      fmt::format("step {}: {}; the step is skipped ({} since the start)", step, what, skipped_));
}

void RunMetrics::note_validation(const io::StepMetrics& metrics) {
  log_.write(metrics);
  show(metrics);
}

void RunMetrics::catch_up() {
  late_.take_all();
  charge_waiting();
}

void RunMetrics::show(const io::StepMetrics& metrics) {
  const auto update = [&](std::optional<double>& shown, const char* name) {
    if (const auto* found = metrics.find(name)) shown = found->number();
  };
  update(shown_.loss, kLoss);
  update(shown_.validation_loss, io::metric::kValidationLoss);
  update(shown_.units_per_s, io::metric::kTokensPerSecond);
  update(shown_.units_per_s, io::metric::kSamplesPerSecond);
  for (const auto& name : options_.shown) {
    const auto* found = metrics.find(name);
    if (!found) continue;
    std::erase_if(shown_.metrics, [&](const auto& metric) { return metric.first == name; });
    shown_.metrics.emplace_back(name, found->number());
  }
  if (!log_.shows_progress()) return;
  shown_.seconds_left = time_left_.after(shown_.step, shown_.steps);
  log_.show(shown_);
}

}  // namespace ripieno
