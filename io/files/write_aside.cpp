#include "ripieno/io/files/write_aside.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <random>
#include <string_view>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kEnding = ".partial";
constexpr std::size_t kAsideDigits = 8;
constexpr int kMostLinks = 40;  // as many as the kernel follows

void remove_quietly(FileSystem& files, const std::string& path) {
  try {
    files.remove_all(path);
  } catch (const StorageError&) {
    // The caller rethrows the original failure.
  }
}

bool is_aside_of(std::string_view name, std::string_view file) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (name.size() != file.size() + 1 + kAsideDigits + kEnding.size()) return false;
  const auto digits = name.substr(file.size() + 1, kAsideDigits);
  return name.starts_with(file) && name[file.size()] == '.' && name.ends_with(kEnding) &&
         std::all_of(digits.begin(), digits.end(), is_digit);
}

}  // namespace

std::string link_target(const FileSystem& files, const std::string& path) {
  namespace fs = std::filesystem;
  if (&files != &local_files()) return path;
  fs::path target = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks; ++i) {
    const fs::path next = fs::read_symlink(target, error);
    if (error) return target.string();  // not a link
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return path;  // a loop, which the file system reports
}

std::string aside_of(const std::string& path) {
  return fmt::format("{}.{:08x}{}", path, std::random_device{}(), kEnding);
}

void write_aside(FileSystem& files, const std::string& path, const std::string& aside,
                 const std::function<void()>& write) {
  try {
    write();
    files.rename(aside, path);
  } catch (...) {
    remove_quietly(files, aside);
    throw;
  }
  files.sync_directory(parent_of(path));
}

void write_aside(FileSystem& files, const std::string& path,
                 const std::function<void(const std::string& aside)>& write) {
  const std::string target = link_target(files, path), aside = aside_of(target);
  write_aside(files, target, aside, [&] { write(aside); });
}

void remove_leftovers(FileSystem& files, const std::string& path) noexcept {
  try {
    const std::string target = link_target(files, path), directory = parent_of(target);
    const std::string file = std::filesystem::path(target).filename();
    for (const std::string& name : files.names_in(directory)) {
      if (is_aside_of(name, file)) files.remove_all(directory + "/" + name);
    }
  } catch (const std::exception&) {
    // They only take space.
  }
}

}  // namespace ripieno::io
