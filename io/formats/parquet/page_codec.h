// How the pages of a Parquet file are compressed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ripieno::io::parquet {

// Numbered as in the file.
enum class Codec { uncompressed = 0, snappy = 1, gzip = 2, zstd = 6 };

// Throws DataError, without the name of the file, if the codec is not one of those above.
Codec codec_of(int64_t number);

// A page that unpacks to more than kMostPlainPage bytes and to more than kMostPageRatio times its
// size is refused, and so is any page of more than kMostPage bytes: no text is like that.
inline constexpr int64_t kMostPlainPage = 64 << 20;
inline constexpr int64_t kMostPageRatio = 200;
inline constexpr int64_t kMostPage = 1 << 30;

// Sets `page` to the `bytes` bytes that `packed` unpacks to. Throws DataError, without the name of
// the file, if it is damaged, unpacks to another number of bytes or is refused; it allocates
// nothing before that is known to be plausible.
void unpack_page(Codec codec, std::string_view packed, int64_t bytes, std::string& page);

}  // namespace ripieno::io::parquet
