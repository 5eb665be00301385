#include "ripieno/tools/sources/foreign_json.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr int64_t kLimit = 100'000'000;  // bytes of a file, as of the header of safetensors
constexpr int kDeepest = 100;            // writing a value again takes stack for each level

}  // namespace

json parse_json(std::string_view text) {
  try {
    return json::parse(text, [](int depth, json::parse_event_t, const json&) {
      if (depth > kDeepest)
        throw DataError(fmt::format("it is nested more than {} levels deep", kDeepest));
      return true;
    });
  } catch (const json::parse_error& error) {
    throw DataError(fmt::format("it is not JSON at byte {}", error.byte));
  } catch (const json::exception&) {
    throw DataError("it has a number that is too large");
  }
}

json read_json(const io::FileSystem& files, const std::string& path) {
  try {
    if (const int64_t bytes = files.open(path)->size(); bytes > kLimit)
      throw DataError(fmt::format("it has {} bytes, {} are allowed", bytes, kLimit));
    return parse_json(io::read_file(files, path));
  } catch (const DataError& error) {
    throw DataError(fmt::format("{} is damaged: {}; fetch or write it anew", path, error.what()));
  }
}

const json& member(const json& value, const char* name) {
  static const json kNothing;
  if (!value.is_object()) return kNothing;
  const auto found = value.find(name);
  return found == value.end() ? kNothing : *found;
}

}  // namespace ripieno::tools
