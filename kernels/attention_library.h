// Reports which library computes attention on a GPU. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace ripieno::kernels {

// One human-readable line: the library that computes 16-bit types or the reason that there is none,
// and the shapes that it had no plan for, which run on the built-in kernels.
std::string attention_library();
// Whether the library is found and numerics() allows it.
bool attention_library_is_used();

// Sets a callback that receives a human-readable line when built-in kernels take over a shape: the
// library has no plan for it, or its plan failed when it was run. None by default. It must not call
// functions of the kernels.
void on_attention_remark(std::function<void(std::string_view)> remark);

}  // namespace ripieno::kernels
