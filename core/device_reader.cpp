#include "ripieno/core/device_reader.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "ripieno/core/pinned.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {

DeviceReader::Buffer::Buffer(Device device)
    : memory(pinned_tensor({static_cast<int64_t>(kBufferBytes)}, DType::uint8, device)),
      filled(device) {}

DeviceReader::DeviceReader(Device device)
    : stream_(device), buffers_{Buffer(device), Buffer(device)} {}

DeviceReader::~DeviceReader() {
  try {
    stream_.synchronize();           // the buffers return to a pool
  } catch (const std::exception&) {  // the device has failed, so nothing writes to them
  }
}

void DeviceReader::read(void* to, const void* from, std::size_t bytes) {
  kernels::cuda::set_device(stream_.device().index);
  for (std::size_t at = 0; at < bytes;) {
    if (buffers_[current_].used == kBufferBytes) swap();
    Buffer& buffer = buffers_[current_];
    const std::size_t piece = std::min(bytes - at, kBufferBytes - buffer.used);
    kernels::cuda::copy(static_cast<std::byte*>(buffer.memory.raw_data()) + buffer.used,
                        static_cast<const std::byte*>(from) + at, piece, stream_.handle());
    buffer.pieces.push_back({static_cast<std::byte*>(to) + at, piece});
    buffer.used += piece;
    at += piece;
  }
}

void DeviceReader::swap() {
  buffers_[current_].filled.record(stream_);
  current_ = 1 - current_;
  empty(buffers_[current_]);
}

void DeviceReader::finish() {
  swap();
  swap();
}

void DeviceReader::empty(Buffer& buffer) {
  buffer.used = 0;
  const std::vector<Piece> pieces = std::exchange(buffer.pieces, {});
  buffer.filled.synchronize();
  const auto* from = static_cast<const std::byte*>(buffer.memory.raw_data());
  for (const Piece& piece : pieces) {
    std::memcpy(piece.to, from, piece.bytes);
    from += piece.bytes;
  }
}

}  // namespace ripieno
