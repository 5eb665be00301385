// Whether bytes are a text at all, before they are trained on as one.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::io {

// What the bytes are, and what to do with them, where they are known to be no UTF-8 or single-byte
// text: an archive, HDF5, UTF-16, raw token ids, anything with NULs. Empty for a text.
std::string what_is_no_text(std::string_view bytes);

}  // namespace ripieno::io
