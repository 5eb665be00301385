// Statistics of a GPU's memory: what its bytes are used for, for out-of-memory messages and
// reports. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ripieno/core/device/device.h"
#include "ripieno/core/device/memory.h"

namespace ripieno {

enum class MemoryKind { parameters, gradients, optimizer_state, other };

// "parameters", "gradients", "optimizer state" or "other tensors".
std::string_view name_of(MemoryKind kind);

// Adds `bytes` (negative when freed) to the count of a GPU. The CPU's memory is not counted.
void count_memory(Device device, MemoryKind kind, int64_t bytes) noexcept;
int64_t counted_memory(Device device, MemoryKind kind);

struct DeviceMemory {
  int64_t free_bytes = 0, total_bytes = 0;
};
// The memory of a GPU that no process has allocated, and all that it has. Blocks that pools keep
// for reuse are not free.
DeviceMemory memory_of(Device device);

// One line: how much memory the GPU has, what uses it, and which settings would use less. `pools`:
// the sum over all pools of the device (pool_statistics()).
std::string describe_memory(Device device, const PoolStatistics& pools);

}  // namespace ripieno
