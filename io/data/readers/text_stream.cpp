#include "ripieno/io/data/readers/text_stream.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

class Unpacker {
 public:
  virtual ~Unpacker() = default;
  // Unpacks from the beginning of `packed`, which it shortens, to the beginning of `into`, which it
  // shortens too, until one of them is empty. Throws DataError, without the name of the file.
  virtual void unpack(std::string_view& packed, std::span<char>& into) = 0;
  // Whether the content may end here.
  virtual bool is_complete() const = 0;
};

namespace {

constexpr std::string_view kGzip = "\x1f\x8b";
constexpr std::string_view kZstandard = "\x28\xb5\x2f\xfd";

// A gzip file is one or more members, one after the other.
class Gzip final : public Unpacker {
 public:
  Gzip() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw StorageError("out of memory for gzip");
  }
  ~Gzip() override { inflateEnd(&stream_); }

  void unpack(std::string_view& packed, std::span<char>& into) override {
    while (!packed.empty() && !into.empty()) {
      if (is_complete_) {
        inflateReset(&stream_);
        is_complete_ = false;
      }
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
      stream_.avail_in = static_cast<uInt>(packed.size());
      stream_.next_out = reinterpret_cast<Bytef*>(into.data());
      stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(into.size(), 1U << 30));
      const std::size_t room = stream_.avail_out;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      packed.remove_prefix(packed.size() - stream_.avail_in);
      into = into.subspan(room - stream_.avail_out);
      if (result == Z_STREAM_END)
        is_complete_ = true;
      else if (result != Z_OK && result != Z_BUF_ERROR)
        throw DataError(fmt::format("the gzip data is damaged ({})",
                                    stream_.msg ? stream_.msg : "unknown error"));
    }
  }
  bool is_complete() const override { return is_complete_; }

 private:
  z_stream stream_{};
  bool is_complete_ = false;
};

class Zstandard final : public Unpacker {
 public:
  Zstandard() : stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw StorageError("out of memory for Zstandard");
  }
  ~Zstandard() override { ZSTD_freeDStream(stream_); }

  void unpack(std::string_view& packed, std::span<char>& into) override {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    while (in.pos < in.size && out.pos < out.size) {
      const std::size_t result = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(result)) {
        throw DataError(
            fmt::format("the Zstandard data is damaged ({})", ZSTD_getErrorName(result)));
      }
      is_complete_ = result == 0;
    }
    packed.remove_prefix(in.pos);
    into = into.subspan(out.pos);
  }
  bool is_complete() const override { return is_complete_; }

 private:
  ZSTD_DStream* stream_;
  bool is_complete_ = false;
};

std::unique_ptr<Unpacker> unpacker_for(std::string_view beginning) {
  if (beginning.starts_with(kGzip)) return std::make_unique<Gzip>();
  if (beginning.starts_with(kZstandard)) return std::make_unique<Zstandard>();
  return nullptr;
}

}  // namespace

bool is_compressed(std::string_view beginning) {
  return beginning.starts_with(kGzip) || beginning.starts_with(kZstandard);
}

class TextStream::File {
 public:
  explicit File(const std::string& path) : file(local_files().open(path)) {}
  std::unique_ptr<ReadableFile> file;
};

TextStream::TextStream(std::string path)
    : path_(std::move(path)), file_(std::make_unique<File>(path_)) {
  std::string beginning(static_cast<std::size_t>(std::min<int64_t>(4, file_bytes())), '\0');
  file_->file->read(0, std::as_writable_bytes(std::span(beginning)));
  unpacker_ = unpacker_for(beginning);
}

TextStream::~TextStream() = default;

int64_t TextStream::file_bytes() const { return file_->file->size(); }

std::size_t TextStream::read_file(std::span<char> into) {
  const auto count = static_cast<std::size_t>(
      std::min(static_cast<int64_t>(into.size()), file_bytes() - position_));
  file_->file->read(position_, std::as_writable_bytes(into.first(count)));
  position_ += static_cast<int64_t>(count);
  return count;
}

std::size_t TextStream::read(std::span<char> into) {
  if (unpacker_ == nullptr) return read_file(into);
  try {
    return unpack(into);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}, near byte {}", path_, error.what(), position_));
  }
}

std::size_t TextStream::unpack(std::span<char> into) {
  constexpr std::size_t kPart = 1 << 18;
  const std::size_t wanted = into.size();
  while (!into.empty()) {
    if (unread_.empty()) {
      packed_.resize(kPart);
      packed_.resize(read_file(packed_));
      unread_ = packed_;
      if (unread_.empty()) break;
    }
    const std::size_t before = into.size();
    unpacker_->unpack(unread_, into);
    unpacked_ += static_cast<int64_t>(before - into.size());
    if (unpacked_ > kMostUnpacked && unpacked_ / kMostRatio > position_) {
      throw DataError(fmt::format(
          "unpacks to more than {} times its size, which no text does; it is refused", kMostRatio));
    }
  }
  if (!into.empty() && !unpacker_->is_complete())
    throw DataError("the compressed data ends in the middle: it is truncated");
  return wanted - into.size();
}

}  // namespace ripieno::io
