// Types that the emulator's interface and its scheduler share: configuration, errors, and warp
// collectives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>

namespace ripieno::simt {

// Order in which runnable threads of a block, and the blocks of a grid, are run. Blocks are only
// reversed, never random.
enum class Order { kForward, kReverse, kRandom };

struct Schedule {
  Order order = Order::kForward;
  uint64_t seed = 1;  // for kRandom
};

struct Configuration {
  Schedule schedule;
  std::size_t stack_bytes = 64 * 1024;  // per CUDA thread
  // "device.cuh:80": the barrier at that position has no effect, to check that a test notices.
  std::string skipped_barrier;
};
Configuration& configuration();

// A kernel broke CUDA's rules: for example, not all threads reach a barrier, or a shuffle reads a
// lane that does not participate. The message has the source position and the state of the threads.
struct EmulationError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Location = std::source_location;

enum class Collective { kSynchronize, kShuffle, kVote };

// The values that the lanes of a warp passed to a collective.
struct Gathered {
  const unsigned char (*values)[16];  // one per lane
  unsigned mask;
  void* gathering;
};

}  // namespace ripieno::simt
