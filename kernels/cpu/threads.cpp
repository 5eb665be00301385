#include <stdexcept>
#include <string>

#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {

namespace {
thread_local int threads_of_this_thread = 1;
}

void set_cpu_threads(int threads) {
  if (threads < 1) {
    throw std::invalid_argument("set_cpu_threads: threads must be at least 1, got " +
                                std::to_string(threads));
  }
  threads_of_this_thread = threads;
}

int cpu_threads() { return threads_of_this_thread; }

}  // namespace ripieno::kernels
