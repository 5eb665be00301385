#include "ripieno/io/data/readers/data_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

using Handle = std::shared_ptr<const ReadableFile>;

// The open files of the process, the one that was used last first. A handle that a thread is using
// stays open until it is done.
class OpenFiles {
 public:
  Handle get(const DataFile* owner, const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(owner); found != places_.end()) {
      files_.splice(files_.begin(), files_, found->second);
      return files_.front().second;
    }
    if (files_.size() == kMostOpenFiles) {
      places_.erase(files_.back().first);
      files_.pop_back();
    }
    files_.emplace_front(owner, local_files().open(path));
    places_[owner] = files_.begin();
    return files_.front().second;
  }

  void remove(const DataFile* owner) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(owner);
    if (found == places_.end()) return;
    files_.erase(found->second);
    places_.erase(found);
  }

 private:
  using Files = std::list<std::pair<const DataFile*, Handle>>;

  std::mutex mutex_;
  Files files_;
  std::unordered_map<const DataFile*, Files::iterator> places_;
};

// Never destroyed: data sets may be static objects.
OpenFiles& open_files() {
  static auto* files = new OpenFiles;
  return *files;
}

}  // namespace

DataFile::DataFile(std::string path)
    : path_(std::move(path)), size_(open_files().get(this, path_)->size()) {}

DataFile::~DataFile() { open_files().remove(this); }

void DataFile::read(int64_t offset, std::span<std::byte> into) const {
  if (into.empty()) return;
  const Handle file = open_files().get(this, path_);
  if (file->size() != size_) {
    throw DataError(fmt::format("{}: its size changed from {} to {} bytes while in use; restore it",
                                path_, size_, file->size()));
  }
  file->read(offset, into);
}

uint64_t DataFile::sampled_hash() const {
  constexpr int64_t kBlocks = 64, kBlock = 1 << 12;
  Hash hash;
  hash.add(std::as_bytes(std::span(&size_, 1)));
  std::vector<std::byte> block;
  for (int64_t i = 0; i <= kBlocks + 1; ++i) {
    const int64_t last = std::max<int64_t>(size_ - kBlock, 0);
    const int64_t begin = last / (kBlocks + 1) * i + last % (kBlocks + 1) * i / (kBlocks + 1);
    block.resize(static_cast<std::size_t>(std::min(kBlock, size_ - begin)));
    read(begin, block);
    hash.add(block);
  }
  return hash.value();
}

}  // namespace ripieno::io
