// The names of checkpoint directories: step_00001000, and what may follow it. Not installed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/file_system.h"

namespace ripieno::io {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::string_view kViewName = "checkpoint.h5";

inline constexpr std::string_view kPartial =
    ".partial";  // being written, or left by a save cut short
inline constexpr std::string_view kReplaced = ".replaced";  // intact; its step was saved again
inline constexpr std::string_view kDamaged = ".damaged";    // refused, and set aside

struct StepDirectory {
  int64_t step;
  std::string suffix;
  std::string path;
};

std::string step_name(int64_t step);
// Those with one of the suffixes above, or none, newest first; of a step the one without suffix
// first. Empty where there is no such directory.
std::vector<StepDirectory> step_directories(const FileSystem& files, const std::string& directory);

}  // namespace ripieno::io
