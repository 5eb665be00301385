// What an emulated launch is configured with, and what its threads exchange: the types that the
// emulator's interface and its scheduler share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>

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

using Location = std::source_location;

enum class Collective { kSynchronize, kShuffle, kVote };

// What the lanes of a warp brought to a collective.
struct Gathered {
  const unsigned char (*values)[16];  // of each lane
  unsigned mask;
  void* place;
};

}  // namespace ripieno::simt
