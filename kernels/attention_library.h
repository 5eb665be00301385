// Which library computes attention on a GPU. Any thread may call.
#pragma once

#include <string>

namespace ripieno::kernels {

// On one line, for people: the library that is used for 16-bit types, or why there is none, and
// what it had no plan for. Kernels of our own do the rest.
std::string attention_library();
bool attention_library_is_found();

}  // namespace ripieno::kernels
