// Patterns of parameter names: '*' stands for any characters, dots included, '?' for one.
#pragma once

#include <string_view>

namespace ripieno {

// "blocks.*.bias" matches "blocks.0.up.bias".
bool matches(std::string_view pattern, std::string_view name);

}  // namespace ripieno
