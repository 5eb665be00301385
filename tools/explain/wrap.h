// Wraps text for a terminal of 80 columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ripieno::tools::explain {

// `text` as lines of at most `columns` characters, broken at spaces, each ended by a newline. The
// first line is indented by `first` spaces, the others by `next`. Longer words have lines of their
// own. Control characters, which damaged records may contain, become '?'.
std::string wrapped(std::string_view text, std::size_t first, std::size_t next,
                    std::size_t columns = 80);

}  // namespace ripieno::tools::explain
