// JSON written by other programs: parsed with limits, and read without assuming its structure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// Throws DataError, without a file name, if `text` is not JSON, is nested more than 100 levels deep
// or has a number that is too large.
nlohmann::json parse_json(std::string_view text);
// Throws DataError with the file's name, also if it exceeds 100 MB; StorageError.
nlohmann::json read_json(const io::FileSystem& files, const std::string& path);

// Null if `value` is not an object or has no such member.
const nlohmann::json& member(const nlohmann::json& value, const char* name);

}  // namespace ripieno::tools
