// SequentialFileSystem: simulates a mounted object store. A file is written once, sequentially, and
// becomes visible when it is synced or closed; renames fail. Power cuts work as in its base class.
#pragma once

#include <string>

#include "io/files/crashing_file_system.h"

namespace ripieno::io {

class SequentialFileSystem final : public CrashingFileSystem {
 public:
  void rename(const std::string& from, const std::string&) override {
    throw StorageError("cannot rename " + from + ": Function not implemented");
  }
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<Upload>(*this, path);
  }

 private:
  class Upload final : public WritableFile {
   public:
    Upload(SequentialFileSystem& files, const std::string& path) : files_(files), path_(path) {}
    // An error of a close has no caller to report it to.
    ~Upload() override {
      try {
        if (!is_ended_) upload();
      } catch (const StorageError&) {
      } catch (const PowerCut&) {
      }
    }
    void reserve(int64_t) override {}
    void append(std::span<const std::byte> bytes) override {
      if (is_ended_) throw StorageError(path_ + ": append after sync");
      text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void sync() override {
      if (is_ended_) throw StorageError(path_ + ": second sync");
      upload()->sync();
    }

   private:
    std::unique_ptr<WritableFile> upload() {
      is_ended_ = true;
      auto file = files_.CrashingFileSystem::create(path_);
      file->append(std::as_bytes(std::span(text_)));
      return file;
    }

    SequentialFileSystem& files_;
    const std::string path_;
    std::string text_;
    bool is_ended_ = false;
  };
};

}  // namespace ripieno::io
