#include "ripieno/io/step_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

namespace ripieno::io {
namespace {

constexpr std::string_view kPrefix = "step_";

std::optional<StepDirectory> parse(const std::string& directory, const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  StepDirectory parsed{0, "", directory + "/" + name};
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, parsed.step);
  parsed.suffix.assign(rest, end);
  const bool is_known = parsed.suffix.empty() || parsed.suffix == kPartial ||
                        parsed.suffix == kReplaced || parsed.suffix == kDamaged;
  if (error != std::errc() || !is_known || name != step_name(parsed.step) + parsed.suffix)
    return std::nullopt;
  return parsed;
}

}  // namespace

std::string step_name(int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

std::vector<StepDirectory> step_directories(const FileSystem& files, const std::string& directory) {
  std::vector<StepDirectory> found;
  if (!files.exists(directory)) return found;
  for (const std::string& name : files.names_in(directory)) {
    if (auto parsed = parse(directory, name)) found.push_back(*std::move(parsed));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(b.step, a.suffix) < std::tie(a.step, b.suffix);
  });
  return found;
}

}  // namespace ripieno::io
