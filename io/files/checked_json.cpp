#include "ripieno/io/files/checked_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using nlohmann::json;

void check_depth(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepestJson)
        throw DataError(
            fmt::format("JSON is nested deeper than {} levels at byte {}", kDeepestJson, at));
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

}  // namespace

json parse_json(std::string_view text) {
  check_depth(text);
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    throw DataError(
        fmt::format("invalid JSON at byte {}", std::max<std::size_t>(error.byte, 1) - 1));
  } catch (const json::exception&) {
    throw DataError("JSON contains a number that is too large");
  }
}

std::string excerpt(const json& value) {
  constexpr std::size_t kBytes = 60;
  const std::string text =
      value.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
  return text.size() <= kBytes ? text : text.substr(0, kBytes) + "...";
}

const json& member(const json& object, const char* name) {
  if (!object.is_object())
    throw DataError(
        fmt::format("expected an object with a member {}, found {}", name, excerpt(object)));
  const auto found = object.find(name);
  if (found == object.end()) throw DataError(fmt::format("member {} is missing", name));
  return *found;
}

const std::string& text_member(const json& object, const char* name) {
  const json& value = member(object, name);
  if (!value.is_string())
    throw DataError(fmt::format("{} is {}, must be a string", name, excerpt(value)));
  return value.get_ref<const std::string&>();
}

int64_t count_of(const json& value, int64_t most) {
  // An unsigned number above INT64_MAX converts to a negative int64_t.
  const bool is_count =
      value.is_number_integer() && value.get<int64_t>() >= 0 && value.get<int64_t>() <= most;
  if (!is_count)
    throw DataError(fmt::format("{} is not an integer from 0 to {}", excerpt(value), most));
  return value.get<int64_t>();
}

int64_t count_member(const json& object, const char* name, int64_t most) {
  try {
    return count_of(member(object, name), most);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", name, error.what()));
  }
}

void for_each_in(const json& object, const char* name,
                 const std::function<void(const json&)>& read) {
  const json& array = member(object, name);
  if (!array.is_array())
    throw DataError(fmt::format("{} is {}, must be an array", name, excerpt(array)));
  for (std::size_t i = 0; i < array.size(); ++i) {
    try {
      read(array[i]);
    } catch (const Error& error) {
      throw DataError(fmt::format("{}[{}]: {}", name, i, error.what()));
    }
  }
}

}  // namespace ripieno::io
