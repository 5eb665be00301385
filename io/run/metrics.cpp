#include "ripieno/io/run/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metrics_lines.h"

namespace ripieno::io {
namespace {

using Json = nlohmann::ordered_json;  // members keep the order in which they are added

// Position of a metric in a line: known ones in the order of kKnown, custom ones after them.
std::ptrdiff_t position_of(const Metric& metric) {
  return std::find(std::begin(metric::kKnown), std::end(metric::kKnown), metric.name) -
         std::begin(metric::kKnown);
}

std::vector<const Metric*> in_order(const std::vector<Metric>& metrics) {
  std::vector<const Metric*> ordered;
  for (const Metric& metric : metrics) ordered.push_back(&metric);
  std::stable_sort(ordered.begin(), ordered.end(), [](const Metric* a, const Metric* b) {
    return position_of(*a) < position_of(*b);
  });
  return ordered;
}

std::string line_of(const StepMetrics& metrics) {
  Json line;
  line["step"] = metrics.step;
  for (const Metric* metric : in_order(metrics.values))
    std::visit([&](auto number) { line[metric->name] = number; }, metric->value);
  for (const auto& [phase, seconds] : metrics.seconds) line["seconds"][phase] = seconds;
  for (const auto& [name, number] : metrics.slowest) {
    if (name == "rank") line["slowest"][name] = static_cast<int64_t>(number);
    if (name != "rank") line["slowest"][name] = number;
  }
  if (!metrics.alerts.empty()) line["alerts"] = metrics.alerts;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[noreturn]] void refuse(const char* operation, const std::string& path) {
  throw StorageError(fmt::format("cannot {} {}: {}", operation, path, std::strerror(errno)));
}

}  // namespace

double Metric::number() const {
  return std::visit([](auto number) { return static_cast<double>(number); }, value);
}

const Metric* StepMetrics::find(std::string_view name) const {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  return found == values.end() ? nullptr : &*found;
}

std::optional<double> StepMetrics::get(std::string_view name) const {
  const Metric* found = find(name);
  if (!found || !std::isfinite(found->number())) return std::nullopt;
  return found->number();
}

void StepMetrics::set(Metric metric) {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](const Metric& known) { return known.name == metric.name; });
  if (found == values.end()) return values.push_back(std::move(metric));
  *found = std::move(metric);
}

void require_custom_metric_name(const std::string& name) {
  const auto* known = std::find(std::begin(metric::kKnown), std::end(metric::kKnown), name);
  const bool is_one_line = name.find('\n') == std::string::npos;
  if (name.empty() || !is_one_line || name == "step" || name == "seconds" || name == "slowest" ||
      name == "alerts" || known != std::end(metric::kKnown))
    fail(
        fmt::format("metrics: '{}' cannot be the name of a custom metric: it is reserved, empty or "
                    "has several lines; choose another",
                    name));
}

MetricsWriter::MetricsWriter(const std::string& path, int64_t after_step)
    : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (file_ < 0) refuse("open", path);
  try {
    const LinesEnd end = end_of_lines(path);
    if (::ftruncate(file_, end.bytes) != 0) refuse("write", path);
    if (end.last_step > after_step) append(branch_line(after_step));
  } catch (...) {
    ::close(file_);
    throw;
  }
}

MetricsWriter::~MetricsWriter() { ::close(file_); }

void MetricsWriter::write(const StepMetrics& metrics) { append(line_of(metrics)); }

void MetricsWriter::append(const std::string& line) {
  ssize_t written;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return;
  if (written < 0) refuse("write", path_);
  // The disk is full: only part of the line was written; remove it.
  struct stat status;
  if (::fstat(file_, &status) != 0 || ::ftruncate(file_, status.st_size - written) != 0)
    refuse("write", path_);
  errno = ENOSPC;
  refuse("write", path_);
}

void MetricsWriter::sync() {
  if (::fsync(file_) != 0) refuse("sync", path_);
}

}  // namespace ripieno::io
