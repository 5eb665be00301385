// How many threads the CPU kernels that this thread calls may use.
//
// No result depends on it: work is split into pieces of a fixed size.
#pragma once

namespace ripieno::kernels {

// Throws std::invalid_argument below 1. Each thread has its own number; it starts at 1.
void set_cpu_threads(int threads);
int cpu_threads();

}  // namespace ripieno::kernels
