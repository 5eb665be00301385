// enqueue(): how launches, and what stands in for libraries, give work to the emulated GPU.
#pragma once

#include <functional>
#include <type_traits>

#include "cuda_runtime_api.h"

namespace ripieno::simt {

// Runs `work`, which may touch device memory, when the stream comes to it. `name` is what calls()
// counts it as.
cudaError_t enqueue(const char* name, cudaStream_t stream, std::function<void()> work);

// Notes an argument of a launch that is an address, for addresses().
void note_address(const void* address);
template <typename Argument>
void note_argument(const Argument& argument) {
  if constexpr (std::is_pointer_v<Argument> && !std::is_function_v<std::remove_pointer_t<Argument>>)
    note_address(argument);
}

}  // namespace ripieno::simt
