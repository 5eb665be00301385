// CRC-32C (Castagnoli), the checksum of event files. Files of our own have XXH3 (hash.h).
#pragma once

#include <cstdint>
#include <string_view>

namespace ripieno::io {

uint32_t crc32c(std::string_view bytes);

}  // namespace ripieno::io
