// shell_line(): a command as text that a shell understands and a terminal may show.
#pragma once

#include <string>
#include <vector>

namespace ripieno::tools {

// One line, in quotes where that is required; without control characters.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace ripieno::tools
