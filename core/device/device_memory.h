// Who holds the memory of a GPU: for the message where there is no more, and for reports.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ripieno/core/device/device.h"
#include "ripieno/core/device/memory.h"

namespace ripieno {

enum class MemoryKind { parameters, gradients, optimizer_state, other };

// "optimizer state"
std::string_view name_of(MemoryKind kind);

// Counts bytes of a GPU's tensors (negative: freed); nothing is counted on the CPU.
void count_memory(Device device, MemoryKind kind, int64_t bytes) noexcept;
int64_t counted_memory(Device device, MemoryKind kind);

// One line: how much memory the GPU has, who holds it, and what would need less. `pools`: of all
// pools of the device.
std::string describe_memory(Device device, const PoolStatistics& pools);

}  // namespace ripieno
