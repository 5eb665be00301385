// Who computes attention on a GPU, and whether it repeats itself. Any thread may call.
#pragma once

#include <string>

namespace ripieno::kernels {

// On one line, for people: the library that is used for 16-bit types, or why there is none, and
// what it had no plan for. Kernels of our own do the rest.
std::string attention_library();
bool attention_library_is_found();

// A backward pass may be asked for the same bits each time. The library then needs more memory (a
// matrix of time by time for some samples at once) and is slower; kernels of our own repeat
// themselves anyway. At first it need not.
void require_repeatable_attention(bool required);
bool repeatable_attention_is_required();

}  // namespace ripieno::kernels
