#include "ripieno/io/run/prometheus_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>

#include "ripieno/io/files/posix_error.h"
#include "ripieno/io/files/utf8.h"
#include "ripieno/io/files/write_aside.h"

namespace ripieno::io {
namespace {

// Backslashes, quotation marks and line ends would end the value or the line.
std::string escaped(std::string_view text) {
  std::string escaped;
  for (const char character : valid_utf8(text)) {
    if (character == '\n') {
      escaped += "\\n";
      continue;
    }
    if (character == '\\' || character == '"') escaped += '\\';
    escaped += character;
  }
  return escaped;
}

std::string text_of(const PrometheusText::Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels)
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, escaped(value));
  return text;
}

std::string text_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

PrometheusText::PrometheusText(const Labels& constant) : constant_(text_of(constant)) {}

void PrometheusText::begin(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void PrometheusText::add(double value, const Labels& labels) {
  add_sample("", labels, text_of(value));
}

void PrometheusText::add(int64_t value, const Labels& labels) {
  add_sample("", labels, std::to_string(value));
}

void PrometheusText::add_histogram(std::span<const double> limits, std::span<const int64_t> counts,
                                   double sum) {
  int64_t below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    const std::string limit = i < limits.size() ? text_of(limits[i]) : "+Inf";
    add_sample("_bucket", {{"le", limit}}, std::to_string(below));
  }
  add_sample("_sum", {}, text_of(sum));
  add_sample("_count", {}, std::to_string(below));
}

void PrometheusText::add_sample(std::string_view suffix, const Labels& labels,
                                std::string_view value) {
  std::string all = constant_;
  if (!labels.empty()) all += (all.empty() ? "" : ",") + text_of(labels);
  text_ += fmt::format("{}{}{} {}\n", name_, suffix, all.empty() ? "" : "{" + all + "}", value);
}

void write_prometheus_file(const std::string& path, std::string_view text) {
  const std::string target = link_target(local_files(), path), partial = aside_of(target);
  const int file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  require(file >= 0, "create", partial);
  ssize_t written;
  do {
    written = ::write(file, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  int error = written < 0 ? errno : 0;
  if (error == 0 && written < static_cast<ssize_t>(text.size())) error = ENOSPC;
  ::close(file);
  if (error == 0 && ::rename(partial.c_str(), target.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(partial.c_str());
  refuse("write", path, error);
}

}  // namespace ripieno::io
