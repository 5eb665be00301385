// Number of threads that CPU kernels use when called from the current thread.
//
// Results do not depend on it: work is split into chunks of a fixed size.
#pragma once

namespace ripieno::kernels {

// Thread-local; 1 by default. Throws std::invalid_argument if threads < 1.
void set_cpu_threads(int threads);
int cpu_threads();

}  // namespace ripieno::kernels
