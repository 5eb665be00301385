#include "ripieno/io/checkpoint/step_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "ripieno/core/error.h"
#include "ripieno/io/files/sealed_json.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kPrefix = "step_";

bool is_attempt_suffix(std::string_view suffix) {
  return suffix.starts_with(kAttempt) && is_attempt(suffix.substr(1));
}

std::optional<StepDirectory> parse(const std::string& directory, const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  StepDirectory parsed{0, "", directory + "/" + name};
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, parsed.step);
  parsed.suffix.assign(rest, end);
  const bool is_known = parsed.suffix.empty() || parsed.suffix == kPartial ||
                        parsed.suffix == kReplaced || parsed.suffix == kDamaged ||
                        is_attempt_suffix(parsed.suffix);
  if (error != std::errc() || !is_known || name != step_name(parsed.step) + parsed.suffix)
    return std::nullopt;
  return parsed;
}

}  // namespace

std::string step_name(int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

bool is_attempt(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_allowed);
}

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

bool has_sealed_manifest(const FileSystem& files, const std::string& path) {
  const std::string manifest = fmt::format("{}/{}", path, kManifestName);
  return files.exists(manifest) && ends_with_seal(read_file(files, manifest));
}

bool is_candidate(const FileSystem& files, const StepDirectory& found) {
  if (found.suffix == kPartial || found.suffix == kDamaged || is_unfinished(files, found))
    return false;
  return !is_set_aside(files, found.path);
}

bool is_unfinished(const FileSystem& files, const StepDirectory& found) {
  if (!is_attempt_suffix(found.suffix)) return found.suffix == kPartial;
  try {
    const auto names = files.names_in(found.path);
    const bool has_manifest = std::find(names.begin(), names.end(), kManifestName) != names.end();
    return !has_manifest ||
           !ends_with_seal(read_file(files, fmt::format("{}/{}", found.path, kManifestName)));
  } catch (const StorageError&) {
    return false;  // not known; reading it will report the error
  }
}

void mark_set_aside(FileSystem& files, const std::string& path) {
  write_file(files, fmt::format("{}/{}", path, kSetAsideName), "");
  files.sync_directory(path);
}

bool is_set_aside(const FileSystem& files, const std::string& path) {
  return files.exists(fmt::format("{}/{}", path, kSetAsideName));
}

bool has_vanished(const FileSystem& files, const std::string& path) {
  try {
    return !files.exists(path);
  } catch (const StorageError&) {
    return false;
  }
}

void remove_checkpoint(FileSystem& files, const std::string& path) {
  files.remove_all(fmt::format("{}/{}", path, kManifestName));
  files.sync_directory(path);
  files.remove_all(path);
}

}  // namespace ripieno::io
