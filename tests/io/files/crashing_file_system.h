// CrashingFileSystem: an in-memory file system for tests. Operations fail on demand, and a
// simulated power cut keeps what was synced and, optionally, some of what was not, as a disk may.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Not derived from std::exception, so that the code under test does not handle it as an error.
struct PowerCut {};

class CrashingFileSystem : public FileSystem {
 public:
  // Lets `operations` more operations succeed; every later one throws PowerCut.
  void cut_power_after(int operations) { cut_at_ = operations_ + operations; }
  // Lets `operations` more operations succeed; the next one fails, later ones succeed again.
  void fail_after(int operations) { fail_at_ = operations_ + operations; }
  // Lets `calls` more calls of one operation ("append", "sync", "rename", ...; "any" for all)
  // succeed; every later one fails.
  void fail_from(const std::string& operation, int calls) {
    failing_ = operation;
    fail_from_ = calls;
  }
  bool failed() const { return fail_from_ < 0 || (fail_at_ >= 0 && operations_ > fail_at_); }
  void recover() {
    fail_at_ = -1;
    fail_from_ = kNever;
  }

  enum class Survives { what_was_synced, every_name, some };
  // Replaces the content by what is on the disk after a power cut, and lets operations succeed
  // again. Bytes that were not synced are lost or, with `some`, truncated at a random byte.
  void restart(Survives survives, unsigned seed = 0) {
    cut_at_ = -1;
    recover();
    random_.seed(seed);
    root_ = survivor(*root_, survives);
  }

  // The bytes of a file, for damaging them.
  std::string& bytes(const std::string& path) { return node(path)->bytes; }

  std::unique_ptr<WritableFile> create(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    step("create", path);
    return std::make_unique<Writer>(*this, path, add(path, false));
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) const override {
    const std::lock_guard lock(mutex_);
    step("open", path);
    return std::make_unique<Reader>(*this, path, node(path));
  }
  bool exists(const std::string& path) const override {
    const std::lock_guard lock(mutex_);
    step("exists", path);
    return find(path) != nullptr;
  }
  void make_directories(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    step("make_directories", path);
    for (std::size_t end = 0; end != std::string::npos;) {
      end = path.find('/', end + 1);
      const std::string part = path.substr(0, end);
      if (find(part) == nullptr) add(part, true);
    }
  }
  std::vector<std::string> names_in(const std::string& directory) const override {
    const std::lock_guard lock(mutex_);
    step("names_in", directory);
    std::vector<std::string> names;
    for (const auto& [name, child] : node(directory)->names) names.push_back(name);
    return names;
  }
  void rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    step("rename", from);
    const auto old = find(to);
    if (old != nullptr && !old->names.empty()) throw StorageError(to + " is not empty");
    const auto moved = node(from);
    node(parent_of(from))->names.erase(name_of(from));
    node(parent_of(to))->names[name_of(to)] = moved;
  }
  void remove_all(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    step("remove_all", path);
    if (find(path) != nullptr) remove_below(*node(parent_of(path)), path);
  }
  void sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    step("sync_directory", path);
    const auto directory = node(path);
    directory->synced_names = directory->names;
  }

 private:
  struct Node {
    bool is_directory = false;
    std::string bytes, synced_bytes;
    bool is_lost = false;  // a sync failed: later syncs succeed without writing
    std::map<std::string, std::shared_ptr<Node>> names, synced_names;
  };

  class Writer final : public WritableFile {
   public:
    Writer(CrashingFileSystem& files, const std::string& path, std::shared_ptr<Node> node)
        : files_(files), path_(path), node_(node) {}
    void reserve(int64_t) override { files_.step("reserve", path_); }
    void append(std::span<const std::byte> bytes) override {
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      node_->bytes += text.substr(0, text.size() / 2);  // only half is written if it fails
      files_.step("append", path_);
      node_->bytes += text.substr(text.size() / 2);
    }
    void sync() override {
      try {
        files_.step("sync", path_);
      } catch (const StorageError&) {
        node_->is_lost = true;
        throw;
      }
      if (!node_->is_lost) node_->synced_bytes = node_->bytes;
    }

   private:
    CrashingFileSystem& files_;
    const std::string path_;
    std::shared_ptr<Node> node_;
  };

  class Reader final : public ReadableFile {
   public:
    Reader(const CrashingFileSystem& files, const std::string& path, std::shared_ptr<Node> node)
        : files_(files), path_(path), node_(node) {}
    int64_t size() const override { return std::ssize(node_->bytes); }
    void read(int64_t offset, std::span<std::byte> into) const override {
      files_.step("read", path_);
      if (offset + std::ssize(into) > size()) throw DataError("cut off");
      std::memcpy(into.data(), node_->bytes.data() + offset, into.size());
    }

   private:
    const CrashingFileSystem& files_;
    const std::string path_;
    std::shared_ptr<Node> node_;
  };

  static std::string name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);  // the whole path if it has no slash
  }

  void step(const std::string& operation, const std::string& path) const {
    const int number = operations_++;
    if (cut_at_ >= 0 && number >= cut_at_) throw PowerCut();
    const bool is_failing = (failing_ == operation || failing_ == "any") && fail_from_ != kNever;
    if (number == fail_at_ || (is_failing && fail_from_-- <= 0))
      throw StorageError("cannot " + operation + " " + path + ": failing on demand");
  }

  std::shared_ptr<Node> find(const std::string& path) const {
    std::shared_ptr<Node> found = root_;
    for (std::size_t begin = 0; begin <= path.size() && found != nullptr;) {
      const auto end = std::min(path.find('/', begin), path.size());
      const std::string name = path.substr(begin, end - begin);
      const auto child = found->names.find(name);
      if (name != ".") found = child == found->names.end() ? nullptr : child->second;
      begin = end + 1;
    }
    return found;
  }
  std::shared_ptr<Node> node(const std::string& path) const {
    auto found = find(path);
    if (found == nullptr) throw StorageError(path + " does not exist");
    return found;
  }
  std::shared_ptr<Node> add(const std::string& path, bool is_directory) {
    auto added = std::make_shared<Node>();
    added->is_directory = is_directory;
    node(parent_of(path))->names[name_of(path)] = added;
    return added;
  }
  // Removes one entry at a time, as a disk does; each is an operation that can fail.
  void remove_below(Node& parent, const std::string& path) {
    const auto removed = parent.names.at(name_of(path));
    while (!removed->names.empty())
      remove_below(*removed, path + "/" + removed->names.begin()->first);
    step("remove", path);
    parent.names.erase(name_of(path));
  }

  static constexpr int kNever = std::numeric_limits<int>::max();

  using Names = std::map<std::string, std::shared_ptr<Node>>;

  static bool holds(const Names& names, const std::shared_ptr<Node>& node) {
    return std::any_of(names.begin(), names.end(), [&](const auto& n) { return n.second == node; });
  }
  bool coin() { return random_() % 2 == 0; }

  // Each change since the last sync survives or does not, independently of the others. But a rename
  // survives whole or not at all, and no new entry replaces one that survived.
  Names some_names(const Node& directory) {
    const bool renamed = coin();
    Names kept;
    for (const auto& [name, node] : directory.synced_names) {
      const auto now = directory.names.find(name);
      const bool is_unchanged = now != directory.names.end() && now->second == node;
      if (is_unchanged || (holds(directory.names, node) ? !renamed : coin())) kept[name] = node;
    }
    for (const auto& [name, node] : directory.names) {
      if (holds(directory.synced_names, node) ? renamed : coin()) kept.emplace(name, node);
    }
    return kept;
  }

  std::shared_ptr<Node> survivor(const Node& node, Survives survives) {
    const auto kept = std::make_shared<Node>();
    kept->is_directory = node.is_directory;
    const Names names = survives == Survives::some         ? some_names(node)
                        : survives == Survives::every_name ? node.names
                                                           : node.synced_names;
    for (const auto& [name, child] : names) kept->names[name] = survivor(*child, survives);
    kept->bytes = node.synced_bytes;
    if (survives == Survives::some && node.bytes != node.synced_bytes)
      kept->bytes = node.bytes.substr(0, random_() % (node.bytes.size() + 1));
    kept->synced_bytes = kept->bytes;
    kept->synced_names = kept->names;
    return kept;
  }

  mutable std::mutex mutex_;
  // Atomic, because verification reads from several threads.
  mutable std::atomic<int> operations_ = 0, fail_from_ = kNever;
  std::string failing_;
  int cut_at_ = -1;
  int fail_at_ = -1;
  std::mt19937 random_;
  std::shared_ptr<Node> root_ = [] {
    auto root = std::make_shared<Node>();
    root->is_directory = true;
    return root;
  }();
};

}  // namespace ripieno::io
