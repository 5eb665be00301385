// Patterns of parameter names: '*' matches any characters, including dots; '?' matches one.
#pragma once

#include <string_view>

namespace ripieno {

// "blocks.*.bias" matches "blocks.0.up.bias". The whole name must match.
bool matches(std::string_view pattern, std::string_view name);

}  // namespace ripieno
