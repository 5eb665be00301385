#include "ripieno/io/formats/parquet/page_codec.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/io/formats/parquet/snappy.h"

namespace ripieno::io::parquet {
namespace {

void unpack_gzip(std::string_view packed, std::span<char> into) {
  constexpr int kGzipOrZlib = 32 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOrZlib) != Z_OK) throw StorageError("out of memory for gzip");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(into.data());
  stream.avail_out = static_cast<uInt>(into.size());
  int result = inflate(&stream, Z_FINISH);
  while (result == Z_STREAM_END && stream.avail_in > 0) {  // several members
    inflateReset(&stream);
    result = inflate(&stream, Z_FINISH);
  }
  const bool is_whole = result == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!is_whole)
    throw DataError(
        fmt::format("the gzip data is damaged, or does not unpack to {} bytes", into.size()));
}

void unpack_zstd(std::string_view packed, std::span<char> into) {
  const std::size_t got = ZSTD_decompress(into.data(), into.size(), packed.data(), packed.size());
  if (ZSTD_isError(got)) {
    throw DataError(
        fmt::format("the Zstandard data is damaged, or does not unpack to {} bytes ({})",
                    into.size(), ZSTD_getErrorName(got)));
  }
  if (got != into.size()) {
    throw DataError(
        fmt::format("the Zstandard data unpacks to {} bytes, but must to {}", got, into.size()));
  }
}

}  // namespace

Codec codec_of(int64_t number) {
  switch (number) {
    case 0:
    case 1:
    case 2:
    case 6:
      return static_cast<Codec>(number);
    default:
      break;
  }
  static constexpr std::array<const char*, 8> kNames = {"",       "",    "", "LZO",
                                                        "Brotli", "LZ4", "", "LZ4"};
  const bool has_name = number >= 0 && number < std::ssize(kNames);
  throw DataError(fmt::format(
      "is compressed by {}; must be uncompressed, Snappy, gzip or Zstandard; write the file anew",
      has_name ? kNames[static_cast<std::size_t>(number)]
               : fmt::format("the unknown method {}", number)));
}

void unpack_page(Codec codec, std::string_view packed, int64_t bytes, std::string& page) {
  const auto packed_bytes = static_cast<int64_t>(packed.size());
  if (bytes < 0 || bytes > kMostPage || packed_bytes > kMostPage) {
    throw DataError(
        fmt::format("has a page of {} bytes; at most {} MiB are read", bytes, kMostPage >> 20));
  }
  if (bytes > kMostPlainPage && bytes / kMostPageRatio > packed_bytes) {
    throw DataError(
        fmt::format("has a page that unpacks from {} to {} bytes, more than {} times its size, "
                    "which no text does; it is refused",
                    packed_bytes, bytes, kMostPageRatio));
  }
  if (codec == Codec::uncompressed) {
    if (bytes != packed_bytes) {
      throw DataError(
          fmt::format("has a page of {} bytes where {} are required", packed_bytes, bytes));
    }
    page.assign(packed);
    return;
  }
  page.resize(static_cast<std::size_t>(bytes));
  if (bytes == 0 && packed_bytes == 0) return;
  switch (codec) {
    case Codec::snappy:
      return unpack_snappy(packed, page);
    case Codec::gzip:
      return unpack_gzip(packed, page);
    default:
      return unpack_zstd(packed, page);
  }
}

}  // namespace ripieno::io::parquet
