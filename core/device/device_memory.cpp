#include "ripieno/core/device/device_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {
namespace {

constexpr std::size_t kMaxDevices = 64, kKinds = 4;

auto& counts() {
  static std::array<std::array<std::atomic<int64_t>, kKinds>, kMaxDevices> bytes{};
  return bytes;
}

auto& count_of(Device device, MemoryKind kind) {
  return counts()[static_cast<std::size_t>(device.index) % kMaxDevices]
                 [static_cast<std::size_t>(kind)];
}

std::string gib(int64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (int64_t{1} << 30));
}

}  // namespace

std::string_view name_of(MemoryKind kind) {
  constexpr std::string_view kNames[] = {"parameters", "gradients", "optimizer state",
                                         "other tensors"};
  return kNames[static_cast<std::size_t>(kind)];
}

void count_memory(Device device, MemoryKind kind, int64_t bytes) noexcept {
  if (device.is_cuda()) count_of(device, kind).fetch_add(bytes, std::memory_order_relaxed);
}

int64_t counted_memory(Device device, MemoryKind kind) {
  return device.is_cuda() ? count_of(device, kind).load() : 0;
}

DeviceMemory memory_of(Device device) {
  kernels::cuda::set_device(device.index);
  const auto info = kernels::cuda::memory_info();
  return {static_cast<int64_t>(info.free_bytes), static_cast<int64_t>(info.total_bytes)};
}

std::string describe_memory(Device device, const PoolStatistics& pools) {
  const auto [free, total] = memory_of(device);
  const int64_t held = std::max(pools.bytes_held, pools.bytes_in_use);
  const int64_t taken = total - free;
  const auto used = [&](MemoryKind kind) { return gib(counted_memory(device, kind)); };
  return fmt::format(
      "of {} in total, this process uses {} (parameters {}, gradients {}, optimizer state {}, "
      "other tensors {}) and keeps {} for reuse; CUDA and other processes use {}; to use less "
      "memory, reduce train.micro_batch_size, or set train.recompute=blocks or parallel.shard",
      gib(total), gib(pools.bytes_in_use), used(MemoryKind::parameters),
      used(MemoryKind::gradients), used(MemoryKind::optimizer_state), used(MemoryKind::other),
      gib(held - pools.bytes_in_use), gib(std::max<int64_t>(taken - held, 0)));
}

}  // namespace ripieno
