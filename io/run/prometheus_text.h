// PrometheusText: writes metrics in the text format of Prometheus (version 0.0.4).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ripieno::io {

class PrometheusText {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // `constant`: the labels of every sample.
  explicit PrometheusText(const Labels& constant);

  // A metric family, followed by its samples. `type`: "gauge", "counter" or "histogram". Names are
  // [a-zA-Z_:][a-zA-Z0-9_:]*, also those of labels; values of labels are any text.
  void begin(std::string_view name, std::string_view type, std::string_view help);
  void add(double value, const Labels& labels = {});
  void add(int64_t value, const Labels& labels = {});
  // `counts[i]`: observations in bucket i, whose upper limit is limits[i]; the last one has none.
  void add_histogram(std::span<const double> limits, std::span<const int64_t> counts, double sum);

  // A family of one sample.
  template <typename T>
  void gauge(std::string_view name, std::string_view help, T value) {
    begin(name, "gauge", help);
    add(value);
  }
  template <typename T>
  void counter(std::string_view name, std::string_view help, T value) {
    begin(name, "counter", help);
    add(value);
  }

  const std::string& text() const { return text_; }

 private:
  void add_sample(std::string_view suffix, const Labels& labels, std::string_view value);

  std::string constant_, name_, text_;
};

// Replaces the file, or what a symbolic link leads to, atomically; its temporary name ends with
// .partial, which node_exporter does not read. Not durable: after a power cut the file can be
// empty. Throws StorageError.
void write_prometheus_file(const std::string& path, std::string_view text);

}  // namespace ripieno::io
