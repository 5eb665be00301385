// Control of the emulated GPU: its properties, the calls that it received, and failures to inject.
// For tests of host code that uses the GPU.
//
// Initial values come from the environment: RIPIENO_EMULATED_GPUS (default: 1),
// RIPIENO_EMULATED_STREAMS (lazy or eager; default: lazy).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

struct CUstream_st;

namespace ripieno::simt {

struct Gpu {
  int devices = 1;
  int compute_capability = 90;                       // times ten
  int driver_version = 13000;                        // 0: no driver
  std::size_t memory_bytes = std::size_t{64} << 30;  // per device
  std::size_t bytes_of_others = 0;                   // in use by other processes
};
Gpu& gpu();

// Lazy streams run work only when something waits for it; eager ones when it is enqueued.
void set_eager_streams(bool eager);

// Number of calls to each function of the runtime ("cudaMalloc") since the last clear_calls().
// Kernels count as "launch"; copies from or to pageable host memory also count as "pageable copy".
std::map<std::string, int64_t> calls();
// Number of copies that were enqueued on a stream since the last clear_calls().
int64_t copies_on(const CUstream_st* stream);
// Addresses that were passed to kernels and copies since the last clear_calls(), in order.
std::vector<const void*> addresses();
void clear_calls();

// The n-th call from now of the function `name` (n >= 1) fails once, with CUDA's `error`.
void fail_call(const std::string& name, int64_t n, int error);
// The n-th operation from now that a stream runs fails with CUDA's `error`, and so does every later
// call, until reset().
void fail_work(int64_t n, int error);
// Resets failures, calls and settings; memory stays allocated.
void reset();

}  // namespace ripieno::simt
