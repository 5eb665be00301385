#include "ripieno/io/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/hash.h"
#include "ripieno/io/manifest.h"
#include "ripieno/io/step_directory.h"

namespace ripieno::io {
namespace {

// A file of a checkpoint, of the size that the manifest says.
std::unique_ptr<ReadableFile> open_whole(const FileSystem& files, const std::string& directory,
                                         const SavedFile& saved) {
  const std::string path = directory + "/" + saved.name;
  auto file = files.open(path);
  if (file->size() != saved.bytes)
    throw DataError(fmt::format("{} is damaged: it has {} bytes instead of {}", path, file->size(),
                                saved.bytes));
  return file;
}

[[noreturn]] void refuse_piece(const std::string& directory, const SavedTensor& tensor,
                               const Piece& piece) {
  throw DataError(fmt::format("{}/{} is damaged: {} does not match its checksum", directory,
                              piece.file, described(tensor)));
}

using TensorKey = std::pair<StateKind, std::string>;

class Loader {
 public:
  Loader(const FileSystem& files, const std::string& directory, const Manifest& manifest)
      : files_(files), directory_(directory), manifest_(manifest) {
    for (const SavedTensor& tensor : manifest.tensors)
      by_name_[{tensor.kind, tensor.name}] = &tensor;
    for (const SavedFile& file : manifest.files) saved_files_[file.name] = &file;
  }

  void check(const State& wanted) const {
    std::set<StateKind> kinds;
    std::set<TensorKey> names;
    for (const StateTensor& tensor : wanted) {
      check(tensor);
      kinds.insert(tensor.kind);
      names.emplace(tensor.kind, tensor.name);
    }
    for (const SavedTensor& saved : manifest_.tensors) {
      if (kinds.contains(saved.kind) && !names.contains({saved.kind, saved.name}))
        differ(fmt::format("it has {} {}, which this run has not", described(saved),
                           to_string(saved.shape)));
    }
  }

  void fill(const StateTensor& wanted) {
    if (wanted.count() == 0) return;
    Tensor part = wanted.part;
    const bool is_direct = part.device() == Device::cpu() && part.is_dense();
    Tensor host = is_direct ? part : Tensor(part.shape(), part.dtype());
    const SavedTensor& saved = *by_name_.at({wanted.kind, wanted.name});
    for (const Piece& piece : saved.pieces) copy_overlap(saved, piece, wanted, host);
    if (!is_direct) part.copy_from(host);
  }

 private:
  [[noreturn]] void differ(const std::string& how) const {
    throw ConfigurationError(fmt::format(
        "{} is a checkpoint of another model: {}; choose the configuration that it was saved with",
        directory_, how));
  }

  void check(const StateTensor& wanted) const {
    const std::string name = fmt::format("{} {}", name_of(wanted.kind), wanted.name);
    const auto found = by_name_.find({wanted.kind, wanted.name});
    if (found == by_name_.end()) differ(fmt::format("it has no {}", name));
    const SavedTensor& saved = *found->second;
    if (saved.shape != wanted.shape)
      differ(fmt::format("{} is {} in it, {} in this run", name, to_string(saved.shape),
                         to_string(wanted.shape)));
    if (saved.dtype != wanted.dtype)
      differ(fmt::format("{} is {} in it, {} in this run", name, ripieno::name_of(saved.dtype),
                         ripieno::name_of(wanted.dtype)));
    const bool is_typed = wanted.count() == 0 || wanted.part.dtype() == wanted.dtype;
    if (wanted.begin < 0 || wanted.count() > wanted.shape.elements() - wanted.begin || !is_typed)
      fail("Checkpoint::load: the part of " + name + " does not fit it");
  }

  void copy_overlap(const SavedTensor& saved, const Piece& piece, const StateTensor& wanted,
                    const Tensor& host) {
    const int64_t begin = std::max(piece.begin, wanted.begin);
    const int64_t end = std::min(piece.begin + piece.count, wanted.begin + wanted.count());
    if (begin >= end) return;
    const std::byte* bytes = verified(saved, piece);
    const auto element = static_cast<int64_t>(size_of(saved.dtype));
    std::memcpy(static_cast<std::byte*>(host.raw_data()) + (begin - wanted.begin) * element,
                bytes + (begin - piece.begin) * element,
                static_cast<std::size_t>((end - begin) * element));
  }

  // The bytes of a piece, until the next call.
  const std::byte* verified(const SavedTensor& saved, const Piece& piece) {
    if (const auto size = static_cast<std::size_t>(piece.bytes); size > capacity_) {
      buffer_ = std::make_unique_for_overwrite<std::byte[]>(size);
      capacity_ = size;
    }
    const std::span bytes(buffer_.get(), static_cast<std::size_t>(piece.bytes));
    auto& file = opened_[piece.file];
    if (file == nullptr) file = open_whole(files_, directory_, *saved_files_.at(piece.file));
    file->read(piece.file_offset, bytes);
    if (hash_of(bytes) != piece.hash) refuse_piece(directory_, saved, piece);
    return bytes.data();
  }

  const FileSystem& files_;
  const std::string& directory_;
  const Manifest& manifest_;
  std::map<TensorKey, const SavedTensor*> by_name_;
  std::map<std::string, const SavedFile*> saved_files_;
  std::map<std::string, std::unique_ptr<ReadableFile>> opened_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
};

constexpr int64_t kReadBytes = 4 << 20;

void hash_range(const ReadableFile& file, int64_t begin, int64_t end, Hash& hash,
                std::vector<std::byte>& buffer) {
  while (begin < end) {
    buffer.resize(static_cast<std::size_t>(std::min(end - begin, kReadBytes)));
    file.read(begin, buffer);
    hash.add(buffer);
    begin += static_cast<int64_t>(buffer.size());
  }
}

using Place = std::pair<const Piece*, const SavedTensor*>;

// The pieces of each file, in the order in which they lie there.
std::map<std::string, std::vector<Place>> places_by_file(const Manifest& manifest) {
  std::map<std::string, std::vector<Place>> places;
  for (const SavedTensor& tensor : manifest.tensors) {
    for (const Piece& piece : tensor.pieces) places[piece.file].emplace_back(&piece, &tensor);
  }
  for (auto& [file, pieces] : places) {
    std::sort(pieces.begin(), pieces.end(), [](const Place& a, const Place& b) {
      return a.first->file_offset < b.first->file_offset;
    });
  }
  return places;
}

void verify_file(const FileSystem& files, const std::string& directory, const SavedFile& saved,
                 const std::vector<Place>& places) {
  const auto file = open_whole(files, directory, saved);
  std::vector<std::byte> buffer;
  Hash outside;
  int64_t verified = 0;
  for (const auto& [piece, tensor] : places) {
    hash_range(*file, verified, piece->file_offset, outside, buffer);
    verified = piece->file_offset + piece->bytes;
    Hash inside;
    hash_range(*file, piece->file_offset, verified, inside, buffer);
    if (inside.value() != piece->hash) refuse_piece(directory, *tensor, *piece);
  }
  hash_range(*file, verified, saved.bytes, outside, buffer);
  if (outside.value() != saved.outside_hash)
    throw DataError(
        fmt::format("{}/{} is damaged: what describes its data sets does not match its checksum",
                    directory, saved.name));
}

}  // namespace

Checkpoint::Checkpoint(const FileSystem& files, std::string path,
                       std::shared_ptr<const Manifest> manifest)
    : files_(&files), path_(std::move(path)), manifest_(std::move(manifest)) {}

Checkpoint Checkpoint::open(const FileSystem& files, const std::string& path) {
  const std::string manifest = fmt::format("{}/{}", path, kManifestName);
  const std::string text = read_file(files, manifest);
  try {
    return {files, path, std::make_shared<Manifest>(manifest_from_text(text))};
  } catch (const DataError& error) {
    throw DataError(fmt::format("{} is damaged: {}", manifest, error.what()));
  }
}

int64_t Checkpoint::step() const { return manifest_->step; }

int Checkpoint::world_size() const { return manifest_->world_size; }

const nlohmann::json& Checkpoint::training_state() const { return manifest_->training_state; }

std::vector<CheckpointTensor> Checkpoint::tensors() const {
  std::vector<CheckpointTensor> tensors;
  for (const SavedTensor& saved : manifest_->tensors)
    tensors.push_back({saved.name, saved.kind, saved.dtype, saved.shape});
  return tensors;
}

void Checkpoint::load(const State& wanted) const {
  Loader loader(*files_, path_, *manifest_);
  loader.check(wanted);
  for (const StateTensor& tensor : wanted) loader.fill(tensor);
}

void Checkpoint::verify() const {
  auto places = places_by_file(*manifest_);
  for (const SavedFile& file : manifest_->files)
    verify_file(*files_, path_, file, places[file.name]);
}

Found newest_intact(const FileSystem& files, const std::string& checkpoints_directory) {
  Found found;
  for (const StepDirectory& candidate : step_directories(files, checkpoints_directory)) {
    if (!candidate.suffix.empty() && candidate.suffix != kReplaced) continue;
    try {
      Checkpoint::open(files, candidate.path).verify();
      found.path = candidate.path;
      return found;
    } catch (const DataError& error) {
      found.rejected.emplace_back(error.what());
    } catch (const StorageError& error) {
      found.rejected.emplace_back(error.what());
    }
  }
  return found;
}

}  // namespace ripieno::io
