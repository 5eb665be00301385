#include "ripieno/io/run/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using Json = nlohmann::ordered_json;  // keeps the order in which a line is written

// The one table of names: visit(name, member) for each value that a line may have.
template <typename Metrics, typename Visit>
void for_each_value(Metrics& metrics, Visit visit) {
  visit("loss", metrics.loss);
  visit("validation_loss", metrics.validation_loss);
  visit("accuracy", metrics.accuracy);
  visit("tokens", metrics.tokens);
  visit("samples", metrics.samples);
  visit("tokens_per_s", metrics.tokens_per_s);
  visit("samples_per_s", metrics.samples_per_s);
  visit("learning_rate", metrics.learning_rate);
  visit("gradient_norm", metrics.gradient_norm);
  visit("loss_scale", metrics.loss_scale);
  visit("skipped_steps", metrics.skipped_steps);
}

std::string line_of(const StepMetrics& metrics) {
  Json line;
  line["step"] = metrics.step;
  for_each_value(metrics, [&](const char* name, const auto& value) {
    if (value) line[name] = *value;
  });
  for (const auto& [phase, seconds] : metrics.seconds) line["seconds"][phase] = seconds;
  return line.dump() + "\n";
}

// Puts what `line` has into `metrics`, over what is there.
void read_line(const Json& line, StepMetrics& metrics) {
  for_each_value(metrics, [&](const char* name, auto& value) {
    const auto found = line.find(name);
    if (found != line.end() && !found->is_null()) found->get_to(value.emplace());
  });
  const auto seconds = line.find("seconds");
  if (seconds == line.end()) return;
  metrics.seconds.clear();
  for (const auto& [phase, value] : seconds->get_ref<const Json::object_t&>()) {
    if (!value.is_null()) metrics.seconds.emplace_back(phase, value.get<double>());
  }
}

[[noreturn]] void refuse(const char* operation, const std::string& path) {
  throw StorageError(fmt::format("cannot {} {}: {}", operation, path, std::strerror(errno)));
}

// Where the last whole line ends.
int64_t end_of_lines(const std::string& path) {
  const std::string text = read_file(local_files(), path);
  const auto newline = text.rfind('\n');
  return newline == std::string::npos ? 0 : static_cast<int64_t>(newline) + 1;
}

}  // namespace

MetricsWriter::MetricsWriter(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (file_ < 0) refuse("open", path);
  if (::ftruncate(file_, end_of_lines(path)) != 0) {
    const int error = errno;
    ::close(file_);
    errno = error;
    refuse("write", path);
  }
}

MetricsWriter::~MetricsWriter() { ::close(file_); }

void MetricsWriter::write(const StepMetrics& metrics) {
  const std::string line = line_of(metrics);
  ssize_t written;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return;
  if (written < 0) refuse("write", path_);
  // The disk became full within the line.
  struct stat status;
  if (::fstat(file_, &status) != 0 || ::ftruncate(file_, status.st_size - written) != 0)
    refuse("write", path_);
  errno = ENOSPC;
  refuse("write", path_);
}

void MetricsWriter::sync() {
  if (::fsync(file_) != 0) refuse("sync", path_);
}

std::vector<StepMetrics> read_metrics(const std::string& path) {
  if (!local_files().exists(path)) return {};
  const std::string text = read_file(local_files(), path);
  std::map<int64_t, StepMetrics> steps;
  int64_t number = 1;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1, ++number) {
    try {
      const Json line = Json::parse(std::string_view(text).substr(begin, end - begin));
      const auto step = line.at("step").get<int64_t>();
      StepMetrics& metrics = steps[step];
      metrics.step = step;
      read_line(line, metrics);
    } catch (const nlohmann::json::exception&) {
      throw DataError(fmt::format("{}: line {} cannot be read; remove the line", path, number));
    }
  }
  std::vector<StepMetrics> ordered;
  for (auto& [step, metrics] : steps) ordered.push_back(std::move(metrics));
  return ordered;
}

}  // namespace ripieno::io
