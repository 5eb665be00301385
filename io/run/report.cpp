#include "ripieno/io/run/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/replace_file.h"
#include "ripieno/io/run/metric_curves.h"
#include "ripieno/io/run/metrics_reader.h"
#include "ripieno/io/run/record_differences.h"
#include "ripieno/io/run/report_account.h"
#include "ripieno/io/run/report_page.h"
#include "ripieno/io/run/report_parts.h"

namespace ripieno::io {
namespace {

using Json = nlohmann::json;

Json configuration_of(const Json& start) {
  const auto found = start.find("configuration");
  return found != start.end() && found->is_object() ? *found : Json::object();
}

std::string subtitle(const Json& start) {
  std::vector<std::string> parts;
  const auto ranks = start.value("world_size", Json());
  if (ranks.is_number_integer()) {
    parts.push_back(ranks == 1 ? "1 rank" : fmt::format("{} ranks", ranks.get<int64_t>()));
  }
  const auto time = start.value("started_at", Json());
  if (time.is_string()) parts.push_back("last started " + readable_time(time.get<std::string>()));
  return fmt::format("{}", fmt::join(parts, " · "));
}

bool is_whole_checkpoint(const std::string& name) {
  return name.starts_with("step_") && name.find('.') == std::string::npos;
}

std::vector<std::string> checkpoints_in(const FileSystem& files, const std::string& directory) {
  if (!files.exists(directory)) return {};
  std::vector<std::string> names = files.names_in(directory);
  std::erase_if(names, [](const std::string& name) { return !is_whole_checkpoint(name); });
  return names;
}

std::string run_name(const std::string& directory) {
  auto path = std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace

std::string report_page(const std::string& title, const Json& record, const MetricCurves& metrics,
                        const std::vector<std::string>& checkpoints) {
  const Json start = last_start_of(record);
  const Json configuration = configuration_of(start);
  const std::string head = page_head(title, "Ripieno run", subtitle(start));
  const auto account = account_of(record);
  std::string body = key_figures(configuration, metrics);
  if (account) body += account_figures(*account);
  body += alerts_section(metrics);
  body += loss_section(metrics) + small_charts(metrics) + time_section(metrics);
  if (account) body += account_section(*account);
  body += configuration_section(configuration);
  body += checkpoints_section(checkpoints);
  if (record.contains("starts")) body += starts_section(record["starts"]);
  body += last_start_section(start);
  return head + body +
         "<footer>Generated from run.json and metrics.jsonl</footer>\n</main>\n</body>\n</html>\n";
}

std::string write_report(FileSystem& files, const RunPaths& paths, const std::string& to) {
  Json record = {{"starts", Json::array()}};
  std::string remark;
  try {
    record = read_record(paths);
  } catch (const DataError& error) {
    remark = error.what();
  }
  MetricCurves curves;
  if (files.exists(paths.metrics())) {
    const auto skipped =
        for_each_step(paths.metrics(), [&](const StepMetrics& step) { curves.add(step); });
    if (skipped.count > 0) remark = skipped.description(paths.metrics());
  }
  replace_file(files, to.empty() ? paths.report() : to,
               report_page(run_name(paths.directory), record, curves,
                           checkpoints_in(files, paths.checkpoints())));
  return remark;
}

}  // namespace ripieno::io
