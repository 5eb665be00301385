// Snappy's block format (the raw one, without frames), as Parquet uses it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ripieno::io::parquet {

// Fills `into` with the unpacked bytes, whose number the caller knows. Throws DataError, without
// the name of the file, if `packed` is damaged or unpacks to another number of bytes.
void unpack_snappy(std::string_view packed, std::span<char> into);

}  // namespace ripieno::io::parquet
