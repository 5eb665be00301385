// Detects files that are not text, before a model is trained on them.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::io {

// If `bytes`, the content of a file, is not UTF-8 or single-byte text (an archive, HDF5, UTF-16,
// raw token ids, anything with NULs): what it is and what to do, to follow the file name in a
// message. Empty for text.
std::string describe_non_text(std::string_view bytes);

// The part of a file of JSON lines that shows whether it is text. A NUL behind it makes one line
// invalid, not the file.
inline std::string_view beginning_of_lines(std::string_view bytes) {
  return bytes.substr(0, 1 << 10);
}

}  // namespace ripieno::io
