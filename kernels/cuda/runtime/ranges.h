// Named ranges of the host's time, which a profiler of NVIDIA's shows beside what the GPU does.
//
// Without a profiler, and in a build without CUDA, they cost next to nothing and do nothing.
#pragma once

namespace ripieno::kernels::cuda {

// Of the calling thread; they nest.
void begin_range(const char* name);
void end_range();

}  // namespace ripieno::kernels::cuda
