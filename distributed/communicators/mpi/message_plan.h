// MessagePlan: message size and number of steps in flight, as a function of the number of ranks.
// For mpi_point_to_point.cpp.
#pragma once

#include <algorithm>
#include <cstddef>

namespace ripieno::distributed {

struct MessagePlan {
  std::size_t message_bytes;  // size of one message, a multiple of 64
  std::size_t depth;          // steps in flight at once
};

inline constexpr std::size_t kMessageBytes = std::size_t{48} << 10;  // below MPI's eager limit
// Bytes that a rank has in flight: enough to keep the link busy while the rank is not scheduled.
inline constexpr std::size_t kInFlightBytes = std::size_t{2} << 20;
inline constexpr std::size_t kLeastDepth = 4, kMostDepth = 32;
// Receive buffers of one rank. Above 170 ranks messages shrink to fit; above 131,072 they exceed
// it.
inline constexpr std::size_t kScratchBytes = std::size_t{32} << 20;

constexpr MessagePlan plan_messages(std::size_t ranks) {
  const std::size_t fitting = kScratchBytes / kLeastDepth / ranks / 64 * 64;
  const std::size_t bytes = std::clamp<std::size_t>(fitting, 64, kMessageBytes);
  return {bytes, std::clamp(kInFlightBytes / (bytes * ranks), kLeastDepth, kMostDepth)};
}

}  // namespace ripieno::distributed
