// enqueue(): adds work to a stream of the emulated GPU, for launches and for replacements of
// libraries. locked_call(): the body of a function of CUDA's runtime API.
#pragma once

#include <functional>
#include <type_traits>

#include "cuda_runtime_api.h"

namespace ripieno::simt {

// Runs `work`, which may access device memory, when the stream reaches it. calls() counts it as
// `name`.
cudaError_t enqueue(const char* name, cudaStream_t stream, std::function<void()> work);

// Calls `body` with gpu_lock() held, unless the call fails before that. calls() counts it as
// `name`.
cudaError_t locked_call(const char* name, const std::function<cudaError_t()>& body);

// Records an argument of a launch for addresses() if it is a pointer.
void note_address(const void* address);
template <typename Argument>
void note_argument(const Argument& argument) {
  if constexpr (std::is_pointer_v<Argument> && !std::is_function_v<std::remove_pointer_t<Argument>>)
    note_address(argument);
}

}  // namespace ripieno::simt
