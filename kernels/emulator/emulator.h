// An emulator of one GPU on the CPU: runs the blocks of a grid one after another, each CUDA thread
// of a block a fiber, and reports what a GPU would leave undefined.
//
// For tests of kernels on machines without a GPU. One launch at a time (streams.h has the lock).
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "ripieno/kernels/emulator/dimensions.h"

namespace ripieno::simt {

// Which thread of a block runs next, and which block: the first, the last, or any that can.
enum class Order { kForward, kReverse, kRandom };

struct Schedule {
  Order order = Order::kForward;
  uint64_t seed = 1;  // of kRandom
};

struct Configuration {
  Schedule schedule;
  std::size_t stack_bytes = 64 * 1024;  // of each CUDA thread
  // "device.cuh:80": this barrier is passed as if it were not there, to see whether a test notices.
  std::string skipped_barrier;
};
Configuration& configuration();

// A kernel did what it must not: a barrier that not all threads reach, a shuffle from a lane that
// does not take part. The message says where, and how many threads were where.
struct EmulationError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Calls body(argument) once for each thread of the grid. Rethrows what a thread throws; the
// emulator can be used again after that.
void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, void (*body)(void*), void* argument);

// The barriers met since the program began, as "file:line".
std::vector<std::string> barriers_met();

// ---- For the built-ins (built_ins.h), called by the thread that is running.

using Location = std::source_location;

enum class Collective { kSynchronize, kShuffle, kVote };

// What the lanes of a warp brought to a collective.
struct Gathered {
  const unsigned char (*values)[16];  // of each lane
  unsigned mask;
  void* place;
};

void barrier(Location where);
// Returns once all lanes of `mask` have come; then each must call done_reading().
Gathered gather(unsigned mask, Collective kind, const void* value, unsigned bytes, Location where);
void done_reading(const Gathered& gathered);
unsigned current_lane();

// Shared memory starts as NaN in each block. The same `name` gives the same memory.
void* shared_memory(const void* name, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory();
[[noreturn]] void fail(const std::string& what);

}  // namespace ripieno::simt
