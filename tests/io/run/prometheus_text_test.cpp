#include "ripieno/io/run/prometheus_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

TEST(PrometheusText, EscapesValuesOfLabels) {
  PrometheusText text(PrometheusText::Labels{{"run", "a\"b\\c\nd"}});
  text.begin("x", "gauge", "Help.");
  text.add(std::nan(""), {{"rank", "1"}});
  EXPECT_EQ(text.text(),
            "# HELP x Help.\n# TYPE x gauge\nx{run=\"a\\\"b\\\\c\\nd\",rank=\"1\"} NaN\n");
}

TEST(PrometheusText, HasCumulativeBuckets) {
  PrometheusText text(PrometheusText::Labels{});
  text.begin("t", "histogram", "Time.");
  const double limits[] = {0.5, 1};
  const int64_t counts[] = {2, 3, 4};
  text.add_histogram(limits, counts, 7.5);
  EXPECT_EQ(text.text(),
            "# HELP t Time.\n# TYPE t histogram\nt_bucket{le=\"0.5\"} 2\nt_bucket{le=\"1\"} 5\n"
            "t_bucket{le=\"+Inf\"} 9\nt_sum 7.5\nt_count 9\n");
}

TEST(PrometheusText, IsReplacedAtomically) {
  const TemporaryDirectory directory;
  const std::string path = directory / "metrics.prom";
  write_prometheus_file(path, "one\n");
  write_prometheus_file(path, "two\n");
  EXPECT_EQ(read_file(local_files(), path), "two\n");
  EXPECT_EQ(local_files().names_in(directory.path()), std::vector<std::string>{"metrics.prom"});
  EXPECT_THROW(write_prometheus_file(directory / "no/metrics.prom", ""), StorageError);
}

}  // namespace
}  // namespace ripieno::io
