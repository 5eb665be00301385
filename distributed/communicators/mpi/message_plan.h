// MessagePlan: how large the messages of a collective are, and how many a rank has under way, for a
// number of ranks.
#pragma once

#include <algorithm>
#include <cstddef>

namespace ripieno::distributed {

struct MessagePlan {
  std::size_t message_bytes;  // of one message, a multiple of 64
  std::size_t depth;          // steps under way together
};

inline constexpr std::size_t kMessageBytes = std::size_t{48} << 10;  // under MPI's eager limit
// What a rank has under way: enough that a link stays busy while the rank waits for its core.
inline constexpr std::size_t kUnderWayBytes = std::size_t{2} << 20;
inline constexpr std::size_t kLeastDepth = 4, kMostDepth = 32;
// Of all received pieces. More than 170 ranks shrink messages, more than 131,072 exceed it.
inline constexpr std::size_t kScratchBytes = std::size_t{32} << 20;

constexpr MessagePlan plan_messages(std::size_t ranks) {
  const std::size_t fitting = kScratchBytes / kLeastDepth / ranks / 64 * 64;
  const std::size_t bytes = std::clamp<std::size_t>(fitting, 64, kMessageBytes);
  return {bytes, std::clamp(kUnderWayBytes / (bytes * ranks), kLeastDepth, kMostDepth)};
}

}  // namespace ripieno::distributed
