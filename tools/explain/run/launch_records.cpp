#include "ripieno/tools/explain/run/launch_records.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools::explain {
namespace {

constexpr std::string_view kAttempt = "attempt_", kEnded = ".ended", kNotice = ".notice",
                           kLost = ".lost", kHost = "host_";
constexpr int64_t kMostBytes = 1 << 16;

std::optional<std::string> small_text(const io::FileSystem& files, const std::string& path) {
  try {
    if (files.open(path)->size() > kMostBytes) return std::nullopt;
    return io::read_file(files, path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<LaunchedEnd> end_of(const std::string& text) {
  const auto record = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto integer = [&](const char* name) {
    const auto& value = member(record, name);
    return value.is_number_integer() ? value.get<int>() : 0;
  };
  if (!member(record, "rank").is_number_integer()) return std::nullopt;
  LaunchedEnd end{.rank = integer("rank"),
                  .process = integer("pid"),
                  .status = integer("status"),
                  .signal = integer("signal")};
  if (const auto& asked = member(record, "asked_to_end"); asked.is_boolean())
    end.asked_to_end = asked.get<bool>();
  if (const auto& time = member(record, "time"); time.is_number()) end.time = time.get<double>();
  if (const auto& words = member(record, "last_words"); words.is_string())
    end.last_words = words.get<std::string>();
  // Times beyond the range of nanoseconds since 1970 are not times.
  if (!(end.time > 0 && end.time < 9e9)) end.time = 0;
  return end;
}

int number_of(std::string_view name) {
  int number = 0;
  name.remove_prefix(kAttempt.size());
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

}  // namespace

LaunchRecords read_launch_records(const io::FileSystem& files, const std::string& run_directory) {
  LaunchRecords records;
  const std::string parent = run_directory + "/launch";
  if (!files.exists(parent)) return records;
  std::string newest;
  for (const auto& name : files.names_in(parent)) {
    if (!name.starts_with(kAttempt)) continue;
    ++records.attempts;
    if (newest.empty() || number_of(name) > number_of(newest)) newest = name;
  }
  if (newest.empty()) return records;
  const std::string directory = parent + "/" + newest;
  for (const auto& name : files.names_in(directory)) {
    if (name.starts_with(kHost) && name.ends_with(kLost))
      records.lost.insert(name.substr(kHost.size(), name.size() - kHost.size() - kLost.size()));
    const bool is_end = name.ends_with(kEnded);
    const bool is_notice = name.starts_with(kHost) && name.ends_with(kNotice);
    if (!is_end && !is_notice) continue;
    const auto text = small_text(files, directory + "/" + name);
    if (!text) continue;
    if (is_notice) {
      const auto length = name.size() - kHost.size() - kNotice.size();
      records.notices[name.substr(kHost.size(), length)] = *text;
    } else if (auto end = end_of(*text)) {
      records.ends.push_back(std::move(*end));
    }
  }
  return records;
}

}  // namespace ripieno::tools::explain
