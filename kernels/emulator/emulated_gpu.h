// How the emulated GPU behaves, and what it was asked to do: for tests of the code that drives it.
//
// The environment sets what it starts with: RIPIENO_EMULATED_GPUS (1), RIPIENO_EMULATED_STREAMS
// (lazy; or eager).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ripieno::simt {

struct Gpu {
  int devices = 1;
  int compute_capability = 90;                       // 10 times the version
  int driver_version = 13000;                        // 0: there is none
  std::size_t memory_bytes = std::size_t{64} << 30;  // of each device
  std::size_t bytes_of_others = 0;                   // held by other processes
};
Gpu& gpu();

// Runs work when something waits for it, or where `eager` when it is enqueued.
void set_eager_streams(bool eager);

// Calls of the runtime since the last clear_calls(), by name ("cudaMalloc"). Kernels count as
// "launch"; a copy from or to host memory that is not pinned counts as "pageable copy" as well.
std::map<std::string, int64_t> calls();
// The memory that kernels and copies were given since then, in their order.
std::vector<const void*> addresses();
void clear_calls();

// From now on, the n-th call of that name (the first is 1) fails with CUDA's `error`, once.
void fail_call(const std::string& name, int64_t n, int error);
// From now on, the n-th piece of work that a stream runs fails with CUDA's `error`, and so does
// every later call, until reset().
void fail_work(int64_t n, int error);
// Forgets failures, calls and settings; not the memory.
void reset();

}  // namespace ripieno::simt
