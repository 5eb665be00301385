// Layout of --help: text wrapped to the width of the terminal.
#pragma once

#include <string>
#include <string_view>

namespace ripieno {

// The width of the terminal that stdout writes to, between 40 and 120 columns; 80 columns if stdout
// is not a terminal.
int help_columns();

// `text` broken at spaces into lines of at most `columns` columns, each indented by `indent`
// spaces. Existing line breaks are kept; a word longer than a line gets a line to itself. One
// column per byte: ASCII only. No line break at the end.
std::string wrapped(std::string_view text, int columns, int indent = 0);

}  // namespace ripieno
