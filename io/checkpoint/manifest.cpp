#include "ripieno/io/checkpoint/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/sealed_json.h"

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

StateKind kind_named(const json& object) {
  const std::string& name = text_member(object, "kind");
  for (const auto kind : {StateKind::parameter, StateKind::buffer, StateKind::optimizer}) {
    if (name_of(kind) == name) return kind;
  }
  refuse("unknown kind of tensor {}; must be parameter, buffer or optimizer", excerpt(name));
}

uint64_t hash_from_json(const json& object) {
  const auto hash = from_hexadecimal(text_member(object, "xxh3"));
  if (!hash)
    refuse("xxh3 is {}, must be 16 lower-case hexadecimal digits", excerpt(object.at("xxh3")));
  return *hash;
}

ordered_json to_json(const Piece& piece) {
  ordered_json value = {{"file", piece.file},
                        {"dataset", piece.data_set},
                        {"offset", piece.begin},
                        {"count", piece.count},
                        {"file_offset", piece.file_offset},
                        {"bytes", piece.bytes},
                        {"xxh3", hexadecimal(piece.hash)}};
  if (piece.not_finite > 0) value["not_finite"] = piece.not_finite;
  return value;
}

Piece piece_from_json(const json& value) {
  return {.file = text_member(value, "file"),
          .data_set = text_member(value, "dataset"),
          .begin = count_member(value, "offset"),
          .count = count_member(value, "count"),
          .file_offset = count_member(value, "file_offset"),
          .bytes = count_member(value, "bytes"),
          .hash = hash_from_json(value),
          .not_finite = value.contains("not_finite") ? count_member(value, "not_finite") : 0};
}

// A JSON array with one element per line.
template <typename Element>
std::string lines_of(std::string_view name, const std::vector<Element>& elements) {
  std::string text = fmt::format("\"{}\": [", name);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    text += io::to_json(elements[i]).dump();
  }
  return text + "]";
}

// The first versions did not write this member.
CommitMode commit_from_json(const json& manifest) {
  if (!manifest.contains("commit")) return CommitMode::rename;
  const auto mode = commit_mode_named(text_member(manifest, "commit"));
  if (!mode) refuse("commit is {}, must be rename or manifest", excerpt(manifest.at("commit")));
  return *mode;
}

Manifest parse(const json& value) {
  if (member(value, "format") != kFormat)
    refuse("format is {}, must be \"{}\"", excerpt(member(value, "format")), kFormat);
  const json& version = member(value, "version");
  if (version != kVersion)
    throw LaterVersion(fmt::format(
        "its format version is {}, but this program reads version {}; use a newer ripieno",
        excerpt(version), kVersion));
  Manifest manifest{.step = count_member(value, "step"),
                    .world_size = static_cast<int>(count_member(value, "world_size", INT_MAX)),
                    .training_state = member(value, "training_state"),
                    .tensors = {},
                    .files = {},
                    .commit = commit_from_json(value)};
  for_each_in(value, "tensors",
              [&](const json& one) { manifest.tensors.push_back(tensor_from_json(one)); });
  for_each_in(value, "files",
              [&](const json& one) { manifest.files.push_back(file_from_json(one)); });
  return manifest;
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name != kManifestName &&
         name.find('/') == std::string::npos && !has_control_character(name);
}

std::map<std::string, int64_t> sizes_by_name(const std::vector<SavedFile>& files) {
  std::map<std::string, int64_t> sizes;
  int64_t total = 0;
  for (const SavedFile& file : files) {
    if (__builtin_add_overflow(total, file.bytes, &total))
      refuse("the total size of its files exceeds 2^63 - 1 bytes");
    if (!is_file_name(file.name))
      refuse("{} is not a valid name of a file in the checkpoint directory", excerpt(file.name));
    if (!sizes.emplace(file.name, file.bytes).second) refuse("{} is listed twice", file.name);
  }
  return sizes;
}

// The size in bytes and the strides must fit int64_t, also those of a tensor without elements.
void check_size(const SavedTensor& tensor) {
  auto bytes = static_cast<int64_t>(size_of(tensor.dtype));
  for (const int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes))
      refuse("{}: shape {} is larger than any memory", described(tensor), to_string(tensor.shape));
  }
}

void check_covered(const SavedTensor& tensor) {
  const int64_t elements = tensor.shape.elements();
  int64_t covered = 0;
  for (const Piece& piece : tensor.pieces) {
    if (piece.begin < covered)
      refuse("{}: element {} is in two pieces", described(tensor), piece.begin);
    if (piece.begin > covered) refuse("{}: element {} is missing", described(tensor), covered);
    if (piece.count <= 0 || piece.count > elements - covered ||
        piece.bytes != piece.count * static_cast<int64_t>(size_of(tensor.dtype)))
      refuse("{}: the piece at element {} has the wrong size", described(tensor), piece.begin);
    if (piece.not_finite > piece.count)
      refuse("{}: not_finite of the piece at element {} is {}, but it has {} elements",
             described(tensor), piece.begin, piece.not_finite, piece.count);
    covered += piece.count;
  }
  if (covered != elements) refuse("{}: element {} is missing", described(tensor), covered);
}

}  // namespace

bool has_control_character(const std::string& name) {
  return std::any_of(name.begin(), name.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

std::string described(const SavedTensor& tensor) {
  return fmt::format("{} {}", name_of(tensor.kind), tensor.name);
}

int64_t not_finite_in(const SavedTensor& tensor) {
  int64_t count = 0;
  for (const Piece& piece : tensor.pieces) count += piece.not_finite;
  return count;
}

bool is_finite(const Manifest& manifest) {
  return std::all_of(manifest.tensors.begin(), manifest.tensors.end(),
                     [](const SavedTensor& tensor) {
                       return tensor.kind == StateKind::buffer || not_finite_in(tensor) == 0;
                     });
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
  const auto dtype = dtype_named(text_member(value, "dtype"));
  if (!dtype) refuse("unknown element type {}", excerpt(value.at("dtype")));
  SavedTensor tensor{text_member(value, "name"), kind_named(value), *dtype, {}, {}};
  for_each_in(value, "shape", [&](const json& size) { tensor.shape.push_back(count_of(size)); });
  for_each_in(value, "pieces",
              [&](const json& piece) { tensor.pieces.push_back(piece_from_json(piece)); });
  return tensor;
}

SavedFile file_from_json(const json& value) {
  return {text_member(value, "name"), count_member(value, "bytes"), hash_from_json(value)};
}

std::string to_text(const Manifest& manifest) {
  return seal(
      fmt::format("\"format\": \"{}\",\n\"version\": {},\n\"step\": {},\n\"world_size\": "
                  "{},\n\"commit\": \"{}\",\n"
                  "\"training_state\": {},\n{},\n{}",
                  kFormat, kVersion, manifest.step, manifest.world_size, name_of(manifest.commit),
                  manifest.training_state.dump(), lines_of("tensors", manifest.tensors),
                  lines_of("files", manifest.files)));
}

Manifest manifest_from_text(std::string_view text) {
  Manifest manifest = parse(unseal(text));
  check_manifest(manifest);
  return manifest;
}

Manifest read_manifest(const FileSystem& files, const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, kManifestName);
  const auto file = files.open(path);
  if (file->size() > kLargestManifestBytes)
    refuse("{} is damaged: it has {} bytes, but a manifest has at most {}", path, file->size(),
           kLargestManifestBytes);
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  try {
    return manifest_from_text(text);
  } catch (const LaterVersion& error) {
    throw LaterVersion(fmt::format("{}: {}", path, error.what()));
  } catch (const DataError& error) {
    refuse("{} is damaged: {}", path, error.what());
  }
}

void check_manifest(const Manifest& manifest) {
  if (manifest.world_size < 1) refuse("world_size must be at least 1, got {}", manifest.world_size);
  const auto sizes = sizes_by_name(manifest.files);
  std::set<std::pair<StateKind, std::string>> names;
  std::set<std::tuple<std::string, int64_t, int64_t>> ranges;  // file, begin, end
  for (const SavedTensor& tensor : manifest.tensors) {
    if (!names.emplace(tensor.kind, tensor.name).second)
      refuse("{} is listed twice", described(tensor));
    if (has_control_character(tensor.name))
      refuse("{} has a control character in its name", excerpt(tensor.name));
    check_size(tensor);
    check_covered(tensor);
    for (const Piece& piece : tensor.pieces) {
      const auto file = sizes.find(piece.file);
      if (file == sizes.end())
        refuse("{} is in {}, which is not in the list of files", described(tensor),
               excerpt(piece.file));
      if (piece.bytes > file->second || piece.file_offset > file->second - piece.bytes)
        refuse("{} has a piece outside the bytes of {}", described(tensor), piece.file);
      if (!ranges.emplace(piece.file, piece.file_offset, piece.file_offset + piece.bytes).second)
        refuse("two pieces are at byte {} of {}", piece.file_offset, piece.file);
    }
  }
  for (auto it = ranges.begin(); it != ranges.end(); ++it) {
    const auto next = std::next(it);
    if (next != ranges.end() && std::get<0>(*next) == std::get<0>(*it) &&
        std::get<1>(*next) < std::get<2>(*it))
      refuse("two pieces overlap at byte {} of {}", std::get<1>(*next), std::get<0>(*it));
  }
}

}  // namespace ripieno::io
