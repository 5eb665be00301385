#include "ripieno/training/metrics/metrics_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/core/start_thread.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/write_aside.h"
#include "ripieno/io/run/event_file.h"
#include "ripieno/io/run/prometheus_text.h"
#include "ripieno/io/run/ranks/flight_record.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/training/metrics/alert_commands.h"
#include "ripieno/training/metrics/event_tags.h"
#include "ripieno/training/metrics/metrics_server.h"
#include "ripieno/training/metrics/prometheus_metrics.h"

namespace ripieno {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds kBetweenWrites(1);         // of event files
constexpr seconds kBetweenFiles(5);          // of metrics.prom
constexpr seconds kBetweenHeartbeats(15);    // reads of the records of all ranks
constexpr int kLeastShare = 100;             // of the thread's time that reading them may take
constexpr seconds kPatience(10);             // for storage, at the end
constexpr double kPatienceWithCommands = 2;  // seconds, for those of the last alerts, at the end
constexpr std::size_t kMostWaiting = 4096;   // lines

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string name_of(const std::string& run_directory) {
  std::error_code error;
  auto path = std::filesystem::absolute(run_directory, error).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

// Two runs of a host may have the same name.
std::string file_in(const std::string& directory, const std::string& run_directory) {
  std::error_code error;
  const auto path = std::filesystem::absolute(run_directory, error).lexically_normal();
  return fmt::format("{}/ripieno_{}_{}.prom", directory, name_of(run_directory),
                     io::hexadecimal(io::hash_of(path.string())).substr(0, 8));
}

std::string model_of(const nlohmann::json& configuration) {
  const auto model = configuration.find("model");
  if (model == configuration.end() || !model->is_object()) return "";
  const auto kind = model->find("kind");
  return kind != model->end() && kind->is_string() ? kind->get<std::string>() : "";
}

// Of the last start. Only the heads of the records are read.
std::vector<PrometheusMetrics::Heartbeat> heartbeats_of(const std::string& run_directory) {
  std::vector<PrometheusMetrics::Heartbeat> heartbeats;
  for (const auto& record : io::read_flight_heads(run_directory))
    heartbeats.push_back({record.rank, static_cast<double>(record.heartbeat.unix_time) * 1e-9,
                          record.heartbeat.resident_bytes});
  return heartbeats;
}

}  // namespace

// What the thread that trains hands to the thread that writes.
struct MetricsExporter::State {
  struct Item {
    enum class Kind { begin, line, histograms, command };
    Kind kind = Kind::line;
    double time = 0;  // seconds since 1970
    int64_t step = 0;
    io::StepMetrics line = {};
    std::vector<TaggedHistogram> histograms = {};
    AlertRule rule = {};
    double value = 0;
  };

  State(const MetricsOptions& options, const RunFacts& facts, const nlohmann::json& configuration);

  // On the thread that trains. The memory of earlier items is used again.
  template <typename Fill>
  void push(Item::Kind kind, int64_t step, const Fill& fill);
  void remark(std::string line);

  // On the thread that writes.
  void work();
  void write(const Item& item);
  void write_line(const Item& item);
  void flush_events();
  void publish(bool is_last);
  std::vector<std::string> prometheus_files() const;
  void read_heartbeats();
  // Calls `action`; the first failure for this `what` is a remark.
  template <typename Action>
  void attempt(const std::string& what, const Action& action);

  const MetricsOptions options;
  const std::string directory, configuration;
  StepTotals totals;

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Item> items;  // of which the first `count` are waiting
  std::size_t count = 0;
  int64_t dropped = 0;
  std::vector<std::string> remarks;
  std::atomic<bool> has_remarks = false;
  bool is_stopping = false, has_ended = false;

  // Used by the thread that writes.
  std::vector<Item> taken;
  std::optional<io::EventFile> events;
  std::optional<PrometheusMetrics> prometheus;
  std::unique_ptr<MetricsServer> server;
  AlertCommands commands;
  std::set<std::string> failed;
  Clock::time_point next_file, next_heartbeats;

  uint16_t port = 0;
  std::thread thread;
};

MetricsExporter::State::State(const MetricsOptions& chosen, const RunFacts& facts,
                              const nlohmann::json& values)
    : options(chosen),
      directory(facts.directory),
      configuration(text_of_configuration(values)),
      commands(facts.directory) {
  if (options.tensorboard) events.emplace(io::RunPaths{directory}.events());
  const bool serves = !options.prometheus_address.empty();
  if (options.prometheus || serves || !options.prometheus_directory.empty()) {
    const Pool* memory = facts.device.is_cuda() ? &pool(facts.device) : nullptr;
    prometheus.emplace(PrometheusMetrics::Labels{name_of(directory), host_name(), model_of(values)},
                       memory, facts.restarts, facts.utilization_per_token);
  }
  if (!serves) return;
  try {
    server = std::make_unique<MetricsServer>(parse_server_address(options.prometheus_address));
    port = server->port();
  } catch (const Error& error) {
    remark(fmt::format("{}; training continues without it", error.what()));
  }
}

template <typename Fill>
void MetricsExporter::State::push(Item::Kind kind, int64_t step, const Fill& fill) {
  const std::lock_guard lock(mutex);
  const bool can_be_missed = kind == Item::Kind::line || kind == Item::Kind::histograms;
  if (can_be_missed && count >= kMostWaiting) {
    ++dropped;
    return;
  }
  if (count == items.size()) items.emplace_back();
  Item& item = items[count];
  item.kind = kind;
  item.time = unix_time();
  item.step = step;
  fill(item);
  if (++count == kMostWaiting / 2) changed.notify_all();
}

void MetricsExporter::State::remark(std::string line) {
  const std::lock_guard lock(mutex);
  remarks.push_back(std::move(line));
  has_remarks = true;
}

template <typename Action>
void MetricsExporter::State::attempt(const std::string& what, const Action& action) {
  try {
    action();
  } catch (const std::exception& error) {
    if (failed.insert(what).second)
      remark(fmt::format("{}; training continues without {} until it can be written", error.what(),
                         what));
  }
}

std::vector<std::string> MetricsExporter::State::prometheus_files() const {
  std::vector<std::string> files;
  if (options.prometheus) files.push_back(io::RunPaths{directory}.prometheus());
  if (!options.prometheus_directory.empty())
    files.push_back(file_in(options.prometheus_directory, directory));
  return files;
}

void MetricsExporter::State::work() {
  // Otherwise each start that is killed could leave one more.
  for (const auto& path : prometheus_files()) io::remove_leftovers(io::local_files(), path);
  std::unique_lock lock(mutex);
  while (true) {
    std::swap(items, taken);
    const std::size_t taken_count = std::exchange(count, 0);
    const bool is_last = is_stopping;
    lock.unlock();
    for (std::size_t i = 0; i < taken_count; ++i) write(taken[i]);
    flush_events();
    for (auto& line :
         is_last ? commands.failures_within(kPatienceWithCommands) : commands.failures())
      remark(std::move(line));
    publish(is_last);
    if (is_last) server.reset();
    lock.lock();
    if (is_last) break;
    changed.wait_for(lock, kBetweenWrites,
                     [&] { return is_stopping || count >= kMostWaiting / 2; });
  }
  has_ended = true;
  changed.notify_all();
}

void MetricsExporter::State::write(const Item& item) {
  switch (item.kind) {
    case Item::Kind::begin:
      if (!events) return;
      events->begin_after(item.step, item.time);
      return events->add_text(item.step + 1, item.time, "configuration", configuration);
    case Item::Kind::line:
      return write_line(item);
    case Item::Kind::histograms:
      for (const auto& [tag, histogram] : item.histograms)
        events->add_histogram(item.step, item.time, tag, histogram);
      return;
    case Item::Kind::command:
      if (auto line = commands.start(item.rule, item.step, item.value); !line.empty())
        remark(std::move(line));
      return;
  }
}

void MetricsExporter::State::write_line(const Item& item) {
  if (prometheus) prometheus->note(item.line);
  if (!events) return;
  const auto numbers = tagged_numbers(item.line);
  std::vector<io::EventFile::Scalar> scalars;
  for (const auto& [tag, number] : numbers) scalars.push_back({tag, number});
  events->add_scalars(item.line.step, item.time, scalars);
  for (const auto& rule : item.line.alerts)
    events->add_text(item.line.step, item.time, "alerts", "`" + rule + "`");
}

void MetricsExporter::State::flush_events() {
  if (!events) return;
  attempt("the files in events/", [&] { events->flush(); });
}

void MetricsExporter::State::publish(bool is_last) {
  if (!prometheus) return;
  const auto now = Clock::now();
  const bool writes_files = is_last || now >= next_file;
  if (!writes_files && !server) return;
  if (is_last || now >= next_heartbeats) read_heartbeats();
  const std::string text = prometheus->text(totals);
  if (server) server->publish(text);
  if (!writes_files) return;
  next_file = now + kBetweenFiles;
  for (const auto& path : prometheus_files())
    attempt(path, [&] { io::write_prometheus_file(path, text); });
}

// Less often where the records of many ranks are on slow storage. Ranks whose records cannot be
// written have reported that themselves.
void MetricsExporter::State::read_heartbeats() {
  const auto start = Clock::now();
  try {
    prometheus->note(heartbeats_of(directory));
  } catch (const std::exception&) {
    prometheus->note(std::vector<PrometheusMetrics::Heartbeat>());
  }
  const auto end = Clock::now();
  next_heartbeats =
      end + std::max<Clock::duration>(kBetweenHeartbeats, kLeastShare * (end - start));
}

MetricsExporter::MetricsExporter(const MetricsOptions& options, const RunFacts& facts,
                                 const nlohmann::json& configuration)
    : options_(options),
      alerts_(options.alerts),
      state_(std::make_shared<State>(options, facts, configuration)) {
  try {
    state_->thread = start_thread("to write metrics", [state = state_] { state->work(); });
  } catch (const ConfigurationError& error) {
    state_->remark(
        fmt::format("{}; training continues without event files, metrics for "
                    "Prometheus and commands of alerts",
                    error.what()));
  }
}

MetricsExporter::~MetricsExporter() { finish(); }

StepTotals& MetricsExporter::totals() { return state_->totals; }

uint16_t MetricsExporter::port() const { return state_->port; }

void MetricsExporter::begin_after(int64_t step) {
  alerts_.restart();
  totals().begin_after(step);
  state_->push(State::Item::Kind::begin, step, [](State::Item&) {});
}

void MetricsExporter::write(io::StepMetrics& line) {
  has_lines_ = true;
  for (const auto& [rule, step, value] : alerts_.observe(line)) {
    line.alerts.push_back(rule->text);
    state_->remark(fmt::format("alert: {} (step {}: {})", rule->text, step, value));
    state_->push(State::Item::Kind::command, step, [&, &rule = rule, &value = value](auto& item) {
      item.rule = *rule;
      item.value = value;
    });
  }
  if (line.find(io::metric::kValidationLoss)) warn_of_unseen(io::metric::kAccuracy);
  state_->push(State::Item::Kind::line, line.step, [&](auto& item) { item.line = line; });
}

// A rule whose metric this run does not have never fires. All rules, or those of one metric.
void MetricsExporter::warn_of_unseen(std::string_view metric) {
  for (const AlertRule* rule : alerts_.unseen()) {
    const bool is_meant = metric.empty() || rule->metric == metric;
    if (!is_meant || !warned_of_.insert(rule->text).second) continue;
    state_->remark(
        fmt::format("alert {}: this run has logged no {}, so it cannot fire; metrics.jsonl has the "
                    "metrics that "
                    "there are",
                    rule->text, rule->metric));
  }
}

bool MetricsExporter::wants_histograms(int64_t step) const {
  const int64_t every = options_.histograms_every;
  return options_.tensorboard && every > 0 && step % every == 0;
}

void MetricsExporter::write(int64_t step, std::vector<TaggedHistogram> histograms) {
  state_->push(State::Item::Kind::histograms, step,
               [&](auto& item) { item.histograms = std::move(histograms); });
}

std::vector<std::string> MetricsExporter::take_remarks() {
  if (!state_->has_remarks) return {};
  const std::lock_guard lock(state_->mutex);
  state_->has_remarks = false;
  return std::exchange(state_->remarks, {});
}

void MetricsExporter::finish() {
  if (!state_->thread.joinable()) return;
  if (has_lines_) warn_of_unseen();
  std::unique_lock lock(state_->mutex);
  state_->is_stopping = true;
  state_->changed.notify_all();
  const bool has_ended =
      state_->changed.wait_for(lock, kPatience, [&] { return state_->has_ended; });
  const int64_t missing = state_->dropped;
  lock.unlock();
  if (has_ended) state_->thread.join();
  if (!has_ended) {
    state_->thread.detach();  // a blocked system call cannot be interrupted
    state_->remark(
        fmt::format("{}: storage did not respond for {} s; the last metrics are missing in event "
                    "files and metrics.prom",
                    state_->directory, kPatience.count()));
  }
  if (missing > 0)
    state_->remark(fmt::format(
        "{} lines of metrics are missing in event files, since storage was too slow", missing));
}

}  // namespace ripieno
