#include "ripieno/io/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/trace.h"
#include "ripieno/io/checkpoint/load_fill.h"
#include "ripieno/io/checkpoint/load_match.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/checkpoint/verified_read.h"
#include "ripieno/io/formats/not_finite.h"

namespace ripieno::io {
namespace {

// Host memory for loading tensors that are on a GPU or not contiguous.
constexpr int64_t kStagedBytes = 256 << 20;

struct PieceRef {
  const SavedTensor* tensor;
  const Piece* piece;
};

// The pieces in each file, in file order.
std::map<std::string, std::vector<PieceRef>> pieces_by_file(const Manifest& manifest) {
  std::map<std::string, std::vector<PieceRef>> by_file;
  for (const SavedTensor& tensor : manifest.tensors) {
    for (const Piece& piece : tensor.pieces) by_file[piece.file].push_back({&tensor, &piece});
  }
  for (auto& [file, pieces] : by_file) {
    std::sort(pieces.begin(), pieces.end(), [](const PieceRef& a, const PieceRef& b) {
      return a.piece->file_offset < b.piece->file_offset;
    });
  }
  return by_file;
}

// Reads the requested pieces of a checkpoint, and those that a rank only verifies.
class Loading {
 public:
  Loading(const FileSystem& files, const std::string& directory, const Manifest& manifest,
          const ReadOptions& options)
      : files_(files),
        directory_(directory),
        manifest_(manifest),
        options_(options),
        pieces_(pieces_by_file(manifest)) {}

  // Reads and verifies the pieces that `fill` needs, and copies them to their destinations.
  void read(LoadFill& fill) {
    read_files([&](const SavedFile& file, FileRead& read) {
      for (const PieceRef& ref : pieces_[file.name]) {
        auto wanted = fill.read_of(*ref.tensor, *ref.piece);
        if (!wanted) continue;
        read.pieces.push_back(*std::move(wanted));
        verified_.insert(ref.piece);
      }
    });
    fill.finish();
  }

  // Verifies the bytes of all files that fall to `part`, except pieces that were read before.
  void verify(Part part) {
    double total = 0, before = 0;  // bytes of all files, and of the files before the current one
    for (const SavedFile& file : manifest_.files) total += static_cast<double>(file.bytes);
    read_files([&](const SavedFile& file, FileRead& read) {
      const auto is_mine = [&](int64_t offset) {
        const double fraction = (before + static_cast<double>(offset)) / std::max(total, 1.0);
        return std::min(static_cast<int>(fraction * part.size), part.size - 1) == part.rank;
      };
      for (const PieceRef& ref : pieces_[file.name]) {
        read.all.push_back(ref.piece);
        if (is_mine(ref.piece->file_offset) && !verified_.contains(ref.piece))
          read.pieces.push_back({ref.tensor, ref.piece, nullptr, counted(*ref.tensor)});
      }
      read.verifies_outside = is_mine(0);
      before += static_cast<double>(file.bytes);
    });
  }

  int64_t bytes() const { return bytes_; }

 private:
  // A function that reports the NaN and infinite elements of each chunk to on_not_finite; empty
  // if there is no such callback.
  std::function<void(int64_t, std::span<const std::byte>)> counted(const SavedTensor& tensor) {
    if (!options_.on_not_finite) return {};
    return [this, &tensor](int64_t, std::span<const std::byte> bytes) {
      const int64_t count = count_not_finite(tensor.dtype, bytes);
      if (count == 0) return;
      const std::lock_guard lock(mutex_);
      options_.on_not_finite(described(tensor), count);
    };
  }

  template <typename Choose>
  void read_files(const Choose& choose) {
    std::vector<FileRead> reads;
    for (const SavedFile& file : manifest_.files) choose(file, reads.emplace_back(FileRead{&file}));
    ReadOptions options = options_;
    if (options_.progress)
      options.progress = [this](int64_t bytes) { options_.progress(bytes_ + bytes); };
    bytes_ += read_verified(files_, directory_, reads, options);
  }

  const FileSystem& files_;
  const std::string& directory_;
  const Manifest& manifest_;
  const ReadOptions& options_;
  std::map<std::string, std::vector<PieceRef>> pieces_;
  std::set<const Piece*> verified_;
  int64_t bytes_ = 0;
  std::mutex mutex_;  // held while calling on_not_finite
};

}  // namespace

Checkpoint::Checkpoint(const FileSystem& files, std::string path,
                       std::shared_ptr<const Manifest> manifest)
    : files_(&files), path_(std::move(path)), manifest_(std::move(manifest)) {}

Checkpoint Checkpoint::open(const FileSystem& files, const std::string& path) {
  return {files, path, std::make_shared<Manifest>(read_manifest(files, path))};
}

int64_t Checkpoint::step() const { return manifest_->step; }

int Checkpoint::world_size() const { return manifest_->world_size; }

CommitMode Checkpoint::commit_mode() const { return manifest_->commit; }

const nlohmann::json& Checkpoint::training_state() const { return manifest_->training_state; }

std::vector<CheckpointTensor> Checkpoint::tensors() const {
  std::vector<CheckpointTensor> tensors;
  for (const SavedTensor& saved : manifest_->tensors)
    tensors.push_back({saved.name, saved.kind, saved.dtype, saved.shape, not_finite_in(saved)});
  return tensors;
}

LoadReport Checkpoint::load(const State& wanted, const LoadOptions& options) const {
  const trace::Scope traced({.name = "load of a checkpoint"});
  std::vector<Loadable> available;
  for (const SavedTensor& saved : manifest_->tensors)
    available.push_back({saved.name, saved.kind, saved.dtype, saved.shape});
  auto [sources, report] = match(available, wanted, path_, options);
  Loading loading(*files_, path_, *manifest_, options.reading);
  LoadFill fill;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!sources[i]) continue;
    fill.add(manifest_->tensors[*sources[i]], wanted[i]);
    if (fill.staged_bytes() >= kStagedBytes) loading.read(fill);
  }
  loading.read(fill);
  if (options.verification_part) loading.verify(*options.verification_part);
  report.bytes = loading.bytes();
  return report;
}

int64_t Checkpoint::verify(const ReadOptions& options) const {
  const trace::Scope traced({.name = "verification of a checkpoint", .bytes = bytes()});
  Loading loading(*files_, path_, *manifest_, options);
  loading.verify({.rank = 0, .size = 1});
  return loading.bytes();
}

int64_t Checkpoint::bytes() const {
  int64_t bytes = 0;
  for (const SavedFile& file : manifest_->files) bytes += file.bytes;
  return bytes;
}

namespace {

// True also if storage returns an error: reading the checkpoint will report it.
bool may_be_candidate(const FileSystem& files, const StepDirectory& found) {
  try {
    return is_candidate(files, found);
  } catch (const StorageError&) {
    return true;
  }
}

}  // namespace

std::vector<std::string> candidates_in(const FileSystem& files,
                                       const std::string& checkpoints_directory) {
  std::vector<std::string> paths;
  for (const StepDirectory& found : step_directories(files, checkpoints_directory)) {
    if (may_be_candidate(files, found)) paths.push_back(found.path);
  }
  return paths;
}

Found newest_intact(const FileSystem& files, const std::string& checkpoints_directory) {
  Found found;
  for (const std::string& path : candidates_in(files, checkpoints_directory)) {
    try {
      Checkpoint::open(files, path).verify();
      found.path = path;
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
