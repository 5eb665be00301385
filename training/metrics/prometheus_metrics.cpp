#include "ripieno/training/metrics/prometheus_metrics.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace ripieno {
namespace {

using io::PrometheusText;

struct Family {
  const char* metric;  // in metrics.jsonl
  const char* name;
  const char* type;
  const char* help;
};

constexpr Family kFamilies[] = {
    {io::metric::kLoss, "ripieno_loss", "gauge", "Training loss, mean over the batch."},
    {io::metric::kValidationLoss, "ripieno_validation_loss", "gauge",
     "Loss of the last validation."},
    {io::metric::kAccuracy, "ripieno_accuracy_ratio", "gauge", "Accuracy of the last validation."},
    {io::metric::kGradientNorm, "ripieno_gradient_norm", "gauge",
     "Norm of the gradient before clipping."},
    {io::metric::kLearningRate, "ripieno_learning_rate", "gauge", "Learning rate."},
    {io::metric::kTokens, "ripieno_tokens_total", "counter", "Tokens since the run began."},
    {io::metric::kSamples, "ripieno_samples_total", "counter", "Samples since the run began."},
    {io::metric::kTokensPerSecond, "ripieno_tokens_per_second", "gauge",
     "Tokens per second of all ranks."},
    {io::metric::kSamplesPerSecond, "ripieno_samples_per_second", "gauge",
     "Samples per second of all ranks."},
    {io::metric::kLossScale, "ripieno_loss_scale", "gauge", "Scale of the loss (float16)."},
    {io::metric::kSkippedSteps, "ripieno_skipped_steps_total", "counter",
     "Steps that were skipped since the run began."},
    {io::metric::kRollbacks, "ripieno_rollbacks_total", "counter",
     "Rollbacks to an earlier checkpoint since the run began."},
    {io::metric::kSkippedData, "ripieno_skipped_data_total", "counter",
     "Documents and samples left out since the run was started or resumed."}};
static_assert(std::size(kFamilies) == std::size(io::metric::kKnown));

bool is_known(const std::string& name) {
  return std::any_of(std::begin(kFamilies), std::end(kFamilies),
                     [&](const Family& family) { return family.metric == name; });
}

PrometheusText::Labels labels_of(const PrometheusMetrics::Labels& names) {
  PrometheusText::Labels labels = {{"run", names.run}, {"host", names.host}};
  if (!names.model.empty()) labels.emplace_back("model", names.model);
  return labels;
}

}  // namespace

PrometheusMetrics::PrometheusMetrics(const Labels& labels, const Pool* device_memory,
                                     int64_t restarts, double utilization_per_token)
    : labels_(labels_of(labels)),
      device_memory_(device_memory),
      restarts_(restarts),
      utilization_per_token_(utilization_per_token) {}

void PrometheusMetrics::note(const io::StepMetrics& line) {
  for (const auto& metric : line.values) values_.insert_or_assign(metric.name, metric);
  double data = 0, total = 0;
  for (const auto& [phase, seconds] : line.seconds) {
    if (phase == "data") data = seconds;
    if (phase == "total") total = seconds;
  }
  if (total > 0) data_wait_ = data / total;
  for (const auto& rule : line.alerts) ++alerts_[rule];
}

std::string PrometheusMetrics::text(const StepTotals& totals) const {
  PrometheusText text(labels_);
  text.gauge("ripieno_step", "Steps done.", totals.step());
  add_values(text);
  add_utilization(text);
  add_own_values(text);
  add_times(text, totals);
  add_events(text, totals);
  add_memory(text);
  add_heartbeats(text);
  return text.text();
}

void PrometheusMetrics::add_values(PrometheusText& text) const {
  for (const Family& family : kFamilies) {
    const auto found = values_.find(family.metric);
    if (found == values_.end()) continue;
    text.begin(family.name, family.type, family.help);
    std::visit([&](auto number) { text.add(number); }, found->second.value);
  }
}

void PrometheusMetrics::add_utilization(PrometheusText& text) const {
  const auto rate = values_.find(io::metric::kTokensPerSecond);
  if (utilization_per_token_ <= 0 || rate == values_.end()) return;
  text.gauge("ripieno_model_flops_utilization_ratio",
             "Model FLOP per second, as a share of the peak of all ranks.",
             utilization_per_token_ * rate->second.number());
}

void PrometheusMetrics::add_own_values(PrometheusText& text) const {
  const auto is_own = [](const auto& value) { return !is_known(value.first); };
  if (std::none_of(values_.begin(), values_.end(), is_own)) return;
  text.begin("ripieno_metric", "gauge", "A metric of the program, by name.");
  for (const auto& [name, metric] : values_) {
    if (is_known(name)) continue;
    std::visit(
        [&, &name = name](auto number) {
          text.add(number, {{"name", name}});
        },
        metric.value);
  }
}

void PrometheusMetrics::add_times(PrometheusText& text, const StepTotals& totals) const {
  std::array<int64_t, StepTotals::kLimits.size() + 1> counts;
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = totals.count(i);
  double sum = 0;
  for (std::size_t i = 0; i < StepTotals::kStepPhases; ++i) sum += totals.seconds(i);
  text.begin("ripieno_step_seconds", "histogram", "Time of a step on rank 0, without evaluation.");
  text.add_histogram(StepTotals::kLimits, counts, sum);
  text.begin("ripieno_phase_seconds_total", "counter",
             "Time of rank 0 by phase, since the start of the process.");
  for (std::size_t i = 0; i < StepTotals::kPhases.size(); ++i)
    text.add(totals.seconds(i), {{"phase", StepTotals::kPhases[i]}});
  text.gauge("ripieno_data_wait_ratio", "Share of the last logged step that waited for data.",
             data_wait_);
}

void PrometheusMetrics::add_events(PrometheusText& text, const StepTotals& totals) const {
  if (totals.last_save() > 0)
    text.gauge("ripieno_checkpoint_last_success_timestamp_seconds",
               "Time at which the last checkpoint was complete.", totals.last_save());
  text.counter("ripieno_checkpoint_failures_total", "Saves that failed since the process started.",
               totals.failed_saves());
  text.counter("ripieno_restarts_total", "Starts of the run after the first.", restarts_);
  text.counter("ripieno_nonfinite_total",
               "Steps since the process started whose loss or gradient was not finite.",
               totals.not_finite());
  if (alerts_.empty()) return;
  text.begin("ripieno_alerts_total", "counter", "Alerts since the process started, by rule.");
  for (const auto& [rule, count] : alerts_) text.add(count, {{"rule", rule}});
}

void PrometheusMetrics::add_memory(PrometheusText& text) const {
  if (device_memory_) {
    const auto statistics = device_memory_->statistics();
    text.begin("ripieno_device_memory_bytes", "gauge",
               "Memory of the pool of rank 0's GPU: in use, or held for reuse too.");
    text.add(statistics.bytes_in_use, {{"kind", "in_use"}});
    text.add(statistics.bytes_held, {{"kind", "held"}});
  }
  if (heartbeats_.empty()) return;
  text.begin("ripieno_host_memory_bytes", "gauge", "Resident memory of the process of a rank.");
  for (const Heartbeat& beat : heartbeats_)
    text.add(beat.resident_bytes, {{"rank", std::to_string(beat.rank)}});
}

void PrometheusMetrics::add_heartbeats(PrometheusText& text) const {
  if (heartbeats_.empty()) return;
  text.begin("ripieno_heartbeat_timestamp_seconds", "gauge",
             "Time at which a rank last recorded that it is alive.");
  for (const Heartbeat& beat : heartbeats_)
    text.add(beat.time, {{"rank", std::to_string(beat.rank)}});
}

}  // namespace ripieno
