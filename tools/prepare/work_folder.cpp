#include "ripieno/tools/prepare/work_folder.h"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/replace_file.h"

namespace ripieno::tools {
namespace {

constexpr const char* kManifest = "manifest.json";

// The beginning of a chunk's file; the tokens for training and for validation follow.
struct ChunkHeader {
  char magic[8] = {'R', 'I', 'P', 'C', 'H', 'U', 'N', 'K'};
  int64_t number = 0;
  int64_t documents = 0;
  int64_t skipped = 0;
  uint64_t train_bytes = 0;
  uint64_t validation_bytes = 0;
  uint64_t hash = 0;  // of the fields above and the tokens
};

uint64_t hash_of(const ChunkHeader& header, std::span<const std::byte> train,
                 std::span<const std::byte> validation) {
  io::Hash hash;
  hash.add(std::as_bytes(std::span(&header, 1)).first(offsetof(ChunkHeader, hash)));
  hash.add(train);
  hash.add(validation);
  return hash.value();
}

std::optional<EncodedChunk> parse(std::string_view file, int64_t number) {
  ChunkHeader header;
  if (file.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, file.data(), sizeof(header));
  const auto tokens = std::as_bytes(std::span(file)).subspan(sizeof(header));
  if (header.number != number || header.train_bytes > tokens.size() ||
      header.validation_bytes != tokens.size() - header.train_bytes)
    return std::nullopt;
  const auto train = tokens.first(header.train_bytes);
  const auto validation = tokens.subspan(header.train_bytes);
  if (header.hash != hash_of(header, train, validation)) return std::nullopt;
  EncodedChunk chunk{
      {train.begin(), train.end()}, {validation.begin(), validation.end()}, header.documents};
  chunk.skipped.count = header.skipped;  // why is known to the process that read it
  return chunk;
}

bool is_ours(const std::string& name) {
  return name.starts_with(kManifest) || name.starts_with("chunk_");
}

std::string differences(const nlohmann::json& found, const nlohmann::json& manifest) {
  std::string names;
  for (const auto& [key, value] : manifest.items()) {
    if (found.is_object() && found.contains(key) && found[key] == value) continue;
    names += (names.empty() ? "" : ", ") + key;
  }
  return names;
}

}  // namespace

void WorkFolder::create(const std::string& path) { io::local_files().make_directories(path); }

WorkFolder::WorkFolder(std::string path, const nlohmann::json& manifest)
    : path_((create(path), std::move(path))), lock_(path_) {
  if (lock_.state() == io::FileLock::busy)
    throw ConfigurationError(path_ + ": in use by another ripieno prepare");
  io::FileSystem& files = io::local_files();
  for (const std::string& name : files.names_in(path_)) {
    if (is_ours(name)) continue;
    throw ConfigurationError(fmt::format(
        "{}: has {}, which is not of ripieno prepare; move it, or change --output", path_, name));
  }
  const std::string name = fmt::format("{}/{}", path_, kManifest);
  if (files.exists(name)) {
    const auto found = nlohmann::json::parse(io::read_file(files, name), nullptr, false);
    if (found == manifest) return;
    changes_ = differences(found, manifest);
  }
  remove_chunks();
  io::replace_file(files, name, manifest.dump(2) + "\n");
}

void WorkFolder::remove_chunks() {
  io::FileSystem& files = io::local_files();
  for (const std::string& name : files.names_in(path_)) {
    if (name.starts_with("chunk_")) files.remove_all(fmt::format("{}/{}", path_, name));
  }
}

std::string WorkFolder::path_of(int64_t number) const {
  return fmt::format("{}/chunk_{:08}", path_, number);
}

std::optional<EncodedChunk> WorkFolder::find(int64_t number) const {
  const io::FileSystem& files = io::local_files();
  if (!files.exists(path_of(number))) return std::nullopt;
  return parse(io::read_file(files, path_of(number)), number);
}

void WorkFolder::save(int64_t number, const EncodedChunk& chunk) {
  ChunkHeader header;
  header.number = number;
  header.documents = chunk.documents;
  header.skipped = chunk.skipped.count;
  header.train_bytes = chunk.train.size();
  header.validation_bytes = chunk.validation.size();
  header.hash = hash_of(header, chunk.train, chunk.validation);
  io::FileSystem& files = io::local_files();
  const std::string aside = path_of(number) + ".partial";
  {
    const auto file = files.create(aside);
    file->append(std::as_bytes(std::span(&header, 1)));
    file->append(chunk.train);
    file->append(chunk.validation);
    file->sync();  // so that a chunk survives a power cut
  }
  files.rename(aside, path_of(number));
}

EncodedChunk WorkFolder::load(int64_t number) const {
  auto chunk = find(number);
  if (!chunk) {
    throw DataError(fmt::format("{}: missing or damaged while in use; run the same command again",
                                path_of(number)));
  }
  return std::move(*chunk);
}

void WorkFolder::remove() { io::local_files().remove_all(path_); }

}  // namespace ripieno::tools
