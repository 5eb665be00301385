// Team: the threads that share the work of the CPU kernels of one calling thread.
//
// Each calling thread has its own team, created at its first parallel loop and joined when it ends.
// An idle team thread spins for about 50 microseconds and then sleeps, so that it takes no
// processor from others. A thread that finishes early takes over work that others have not started,
// so that a thread that is not scheduled delays no other.
#pragma once

#include <cstdint>

namespace ripieno::kernels::cpu {

// A loop body, called for the indices [begin, end).
struct LoopBody {
  const void* object;
  void (*call)(const void* object, int64_t begin, int64_t end);

  void operator()(int64_t begin, int64_t end) const { call(object, begin, end); }
};

// Runs the body for all of [0, count) on the calling thread and up to threads - 1 others. Rethrows
// the first exception of a body, after all threads have stopped. Uses fewer threads if no more can
// be started, and only the calling thread if it is called from a body.
void run_by_team(int64_t count, int threads, const LoopBody& body);

}  // namespace ripieno::kernels::cpu
