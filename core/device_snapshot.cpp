#include "ripieno/core/device_snapshot.h"

#include <algorithm>

#include "ripieno/core/device/copy.h"
#include "ripieno/core/device/device_memory.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno {
namespace {

// Bytes that are copied at once: tensors that follow each other in one storage, with the padding
// between them.
struct Range {
  const Storage* storage;
  const std::byte* begin;
  std::size_t bytes;
  std::size_t offset;  // in the copy
};

constexpr std::size_t kMostPadding = 512;

// Appends the tensor, and returns its offset in the copy.
std::size_t append(std::vector<Range>& ranges, const Tensor& tensor) {
  const auto* const begin = static_cast<const std::byte*>(tensor.raw_data());
  const Storage* const storage = tensor.implementation().storage.get();
  if (!ranges.empty() && ranges.back().storage == storage) {
    Range& last = ranges.back();
    const std::byte* const end = last.begin + last.bytes;
    if (begin >= end && begin <= end + kMostPadding) {
      const auto at = static_cast<std::size_t>(begin - last.begin);
      last.bytes = at + tensor.bytes();
      return last.offset + at;
    }
  }
  const std::size_t used = ranges.empty() ? 0 : ranges.back().offset + ranges.back().bytes;
  const std::size_t offset = (used + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment;
  ranges.push_back({storage, begin, tensor.bytes(), offset});
  return offset;
}

bool has_memory_for(std::size_t bytes, const Stream& stream) {
  const DeviceMemory memory = memory_of(stream.device());
  const PoolStatistics pool = stream.memory().statistics();
  const int64_t kept = std::max<int64_t>(pool.bytes_held - pool.bytes_in_use, 0);
  const auto block = static_cast<int64_t>(bytes + bytes / 4);
  return memory.free_bytes + kept - block >= memory.total_bytes / 20;
}

}  // namespace

const void* DeviceSnapshot::data(std::size_t tensor) const {
  return static_cast<const std::byte*>(memory.raw_data()) + offsets[tensor];
}

std::optional<DeviceSnapshot> snapshot(const std::vector<Tensor>& tensors, const Stream& stream) {
  DeviceSnapshot result;
  std::vector<Range> ranges;
  for (const Tensor& tensor : tensors) result.offsets.push_back(append(ranges, tensor));
  const std::size_t bytes = ranges.empty() ? 0 : ranges.back().offset + ranges.back().bytes;
  if (!has_memory_for(bytes, stream)) return std::nullopt;
  const Device device = stream.device();
  const OnStream on_stream(stream);
  try {
    result.memory = Tensor({static_cast<int64_t>(bytes)}, DType::uint8, device);
  } catch (const OutOfMemory&) {  // another process was faster
    return std::nullopt;
  }
  auto* const to = static_cast<std::byte*>(result.memory.raw_data());
  for (const Range& range : ranges)
    copy_bytes(to + range.offset, device, range.begin, device, range.bytes);
  return result;
}

}  // namespace ripieno
