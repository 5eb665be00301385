// Limits oneDNN to the calling thread while it exists, because the caller has split the work.
// Private to the files that call oneDNN.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

namespace ripieno::kernels::cpu::detail {

class OnOneThread {
#ifdef _OPENMP
 public:
  OnOneThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OnOneThread() { omp_set_num_threads(threads_); }
  OnOneThread(const OnOneThread&) = delete;
  OnOneThread& operator=(const OnOneThread&) = delete;

 private:
  int threads_;
#endif
};

}  // namespace ripieno::kernels::cpu::detail
