#include "ripieno/tools/sources/foreign_json.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr int64_t kMaxBytes = 100'000'000;  // of a file; also the limit of a safetensors header
constexpr int kMaxDepth = 100;              // serializing a value recurses once per level

}  // namespace

json parse_json(std::string_view text) {
  try {
    return json::parse(text, [](int depth, json::parse_event_t, const json&) {
      if (depth > kMaxDepth)
        throw DataError(fmt::format("nested more than {} levels deep", kMaxDepth));
      return true;
    });
  } catch (const json::parse_error& error) {
    throw DataError(fmt::format("invalid JSON at byte {}", error.byte));
  } catch (const json::exception&) {
    throw DataError("a number is too large");
  }
}

json read_json(const io::FileSystem& files, const std::string& path) {
  try {
    if (const int64_t bytes = files.open(path)->size(); bytes > kMaxBytes)
      throw DataError(fmt::format("{} bytes, at most {} are allowed", bytes, kMaxBytes));
    return parse_json(io::read_file(files, path));
  } catch (const DataError& error) {
    throw DataError(
        fmt::format("{} is damaged: {}; download or write it again", path, error.what()));
  }
}

const json& member(const json& value, const char* name) {
  static const json kNothing;
  if (!value.is_object()) return kNothing;
  const auto found = value.find(name);
  return found == value.end() ? kNothing : *found;
}

}  // namespace ripieno::tools
