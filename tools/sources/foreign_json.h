// JSON that others wrote: read with limits, and asked for members without believing its shape.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// Throws DataError, without the file's name, where it is not JSON or nested beyond all measure.
nlohmann::json parse_json(std::string_view text);
// Throws DataError that names the file; StorageError.
nlohmann::json read_json(const io::FileSystem& files, const std::string& path);

// Null where `value` is not an object or has no such member.
const nlohmann::json& member(const nlohmann::json& value, const char* name);

}  // namespace ripieno::tools
