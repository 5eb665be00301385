// Team: the threads that share the work of one calling thread's CPU kernels.
//
// Each calling thread has a team of its own, made at its first parallel loop and ended with it. Its
// threads spin for some ten microseconds when they have nothing to do, then sleep, so that they
// take no processor from others. Who finishes early takes over what others have not begun, so that
// a thread that gets no processor delays nobody.
#pragma once

#include <cstdint>

namespace ripieno::kernels::cpu {

// A loop's body, for the indices of [begin, end).
struct LoopBody {
  const void* object;
  void (*call)(const void* object, int64_t begin, int64_t end);

  void operator()(int64_t begin, int64_t end) const { call(object, begin, end); }
};

// Runs the body for all of [0, count) by the calling thread and up to threads - 1 others. Rethrows
// the first exception of a body, after all threads have stopped. Where no thread can be started it
// takes fewer; inside a body that is run by this function it takes the calling thread alone.
void run_by_team(int64_t count, int threads, const LoopBody& body);

}  // namespace ripieno::kernels::cpu
