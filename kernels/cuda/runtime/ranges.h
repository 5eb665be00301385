// Named host ranges (NVTX), which NVIDIA's profilers show beside the GPU's timeline.
//
// They do nothing in a build without CUDA or NVTX, and cost next to nothing without a profiler.
#pragma once

namespace ripieno::kernels::cuda {

// Begins and ends a range of the calling thread. Ranges nest.
void begin_range(const char* name);
void end_range();

}  // namespace ripieno::kernels::cuda
