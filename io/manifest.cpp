#include "ripieno/io/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/hash.h"
#include "ripieno/io/sealed_json.h"

namespace ripieno::io {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kFormat = "ripieno checkpoint";
constexpr int kVersion = 1;

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw DataError(fmt::format(format, std::forward<Arguments>(arguments)...));
}

StateKind kind_named(const std::string& name) {
  for (const auto kind : {StateKind::parameter, StateKind::buffer, StateKind::optimizer}) {
    if (name_of(kind) == name) return kind;
  }
  refuse("there is no kind of tensor named {}", name);
}

uint64_t hash_from_json(const json& value) {
  const auto hash = from_hexadecimal(value.get<std::string>());
  if (!hash) refuse("{} is not a checksum", value.dump());
  return *hash;
}

int64_t count_from_json(const json& value) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0)
    refuse("{} is not a size", value.dump());
  return value.get<int64_t>();
}

ordered_json to_json(const Piece& piece) {
  return {{"file", piece.file},
          {"dataset", piece.data_set},
          {"offset", piece.begin},
          {"count", piece.count},
          {"file_offset", piece.file_offset},
          {"bytes", piece.bytes},
          {"xxh3", hexadecimal(piece.hash)}};
}

Piece piece_from_json(const json& value) {
  return {.file = value.at("file"),
          .data_set = value.at("dataset"),
          .begin = count_from_json(value.at("offset")),
          .count = count_from_json(value.at("count")),
          .file_offset = count_from_json(value.at("file_offset")),
          .bytes = count_from_json(value.at("bytes")),
          .hash = hash_from_json(value.at("xxh3"))};
}

// An array with each element on a line of its own.
template <typename Element>
std::string lines_of(std::string_view name, const std::vector<Element>& elements) {
  std::string text = fmt::format("\"{}\": [", name);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    text += io::to_json(elements[i]).dump();
  }
  return text + "]";
}

Manifest parse(const json& value) {
  if (value.at("format") != kFormat) refuse("it is not a checkpoint's");
  if (value.at("version") != kVersion)
    refuse("its format version is {}, this program reads version {}", value.at("version").dump(),
           kVersion);
  Manifest manifest{.step = count_from_json(value.at("step")),
                    .world_size = value.at("world_size"),
                    .training_state = value.at("training_state"),
                    .tensors = {},
                    .files = {}};
  for (const json& tensor : value.at("tensors"))
    manifest.tensors.push_back(tensor_from_json(tensor));
  for (const json& file : value.at("files")) manifest.files.push_back(file_from_json(file));
  return manifest;
}

std::map<std::string, int64_t> sizes_by_name(const std::vector<SavedFile>& files) {
  std::map<std::string, int64_t> sizes;
  for (const SavedFile& file : files) {
    if (file.name.empty() || file.name == "." || file.name == ".." ||
        file.name.find('/') != std::string::npos)
      refuse("\"{}\" is not the name of a file beside it", file.name);
    if (!sizes.emplace(file.name, file.bytes).second) refuse("{} is listed twice", file.name);
  }
  return sizes;
}

void check_covered(const SavedTensor& tensor) {
  int64_t covered = 0;
  for (const Piece& piece : tensor.pieces) {
    if (piece.begin < covered)
      refuse("{}: element {} is there twice", described(tensor), piece.begin);
    if (piece.begin > covered) refuse("{}: element {} is missing", described(tensor), covered);
    if (piece.count <= 0 || piece.count > tensor.shape.elements() - covered ||
        piece.bytes != piece.count * static_cast<int64_t>(size_of(tensor.dtype)))
      refuse("{}: the piece from element {} has a wrong size", described(tensor), piece.begin);
    covered += piece.count;
  }
  if (covered != tensor.shape.elements())
    refuse("{}: element {} is missing", described(tensor), covered);
}

}  // namespace

std::string described(const SavedTensor& tensor) {
  return fmt::format("{} {}", name_of(tensor.kind), tensor.name);
}

ordered_json to_json(const SavedTensor& tensor) {
  ordered_json pieces = ordered_json::array();
  for (const Piece& piece : tensor.pieces) pieces.push_back(to_json(piece));
  return {{"name", tensor.name},
          {"kind", name_of(tensor.kind)},
          {"dtype", ripieno::name_of(tensor.dtype)},
          {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
          {"pieces", pieces}};
}

ordered_json to_json(const SavedFile& file) {
  return {{"name", file.name}, {"bytes", file.bytes}, {"xxh3", hexadecimal(file.outside_hash)}};
}

SavedTensor tensor_from_json(const json& value) {
  const auto dtype = dtype_named(value.at("dtype").get<std::string>());
  if (!dtype) refuse("there is no element type {}", value.at("dtype").dump());
  SavedTensor tensor{value.at("name"), kind_named(value.at("kind")), *dtype, {}, {}};
  for (const json& size : value.at("shape")) tensor.shape.push_back(count_from_json(size));
  for (const json& piece : value.at("pieces")) tensor.pieces.push_back(piece_from_json(piece));
  return tensor;
}

SavedFile file_from_json(const json& value) {
  return {value.at("name"), count_from_json(value.at("bytes")), hash_from_json(value.at("xxh3"))};
}

std::string to_text(const Manifest& manifest) {
  return seal(fmt::format(
      "\"format\": \"{}\",\n\"version\": {},\n\"step\": {},\n\"world_size\": {},\n"
      "\"training_state\": {},\n{},\n{}",
      kFormat, kVersion, manifest.step, manifest.world_size, manifest.training_state.dump(),
      lines_of("tensors", manifest.tensors), lines_of("files", manifest.files)));
}

Manifest manifest_from_text(std::string_view text) {
  try {
    Manifest manifest = parse(unseal(text));
    check_manifest(manifest);
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(error.what());
  } catch (const DataError&) {
    throw;
  } catch (const Error& error) {  // a shape that cannot be
    throw DataError(error.what());
  }
}

void check_manifest(const Manifest& manifest) {
  if (manifest.world_size < 1) refuse("a world size of {} cannot be", manifest.world_size);
  const auto sizes = sizes_by_name(manifest.files);
  std::set<std::pair<StateKind, std::string>> names;
  std::set<std::tuple<std::string, int64_t, int64_t>> places;  // file, begin, end
  for (const SavedTensor& tensor : manifest.tensors) {
    if (!names.emplace(tensor.kind, tensor.name).second)
      refuse("{} is listed twice", described(tensor));
    check_covered(tensor);
    for (const Piece& piece : tensor.pieces) {
      const auto file = sizes.find(piece.file);
      if (file == sizes.end())
        refuse("{} lies in {}, which is not listed", described(tensor), piece.file);
      if (piece.bytes > file->second || piece.file_offset > file->second - piece.bytes)
        refuse("{} lies outside {}", described(tensor), piece.file);
      if (!places.emplace(piece.file, piece.file_offset, piece.file_offset + piece.bytes).second)
        refuse("two pieces lie in {} at byte {}", piece.file, piece.file_offset);
    }
  }
  for (auto it = places.begin(); it != places.end(); ++it) {
    const auto next = std::next(it);
    if (next != places.end() && std::get<0>(*next) == std::get<0>(*it) &&
        std::get<1>(*next) < std::get<2>(*it))
      refuse("two pieces overlap in {} at byte {}", std::get<0>(*it), std::get<1>(*next));
  }
}

}  // namespace ripieno::io
