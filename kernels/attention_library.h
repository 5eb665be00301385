// Reports which library computes attention on a GPU. Thread-safe.
#pragma once

#include <string>

namespace ripieno::kernels {

// One human-readable line: the library that computes 16-bit types or the reason that there is none,
// and the shapes that it had no plan for, which run on the built-in kernels.
std::string attention_library();
bool attention_library_is_found();

}  // namespace ripieno::kernels
