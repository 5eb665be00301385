// DeviceReader: copies memory of a GPU to pageable host memory, on its own stream and through two
// pinned buffers, so that the work of other streams is neither blocked nor delayed.
//
// Not thread-safe. The copies run after everything that stream() waits for; the caller makes it
// wait for the work that writes the memory.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

class DeviceReader {
 public:
  // Size of each of the two pinned buffers, in bytes.
  static constexpr std::size_t kBufferBytes = std::size_t{16} << 20;

  // `device` is a GPU. Throws if the pinned memory cannot be allocated.
  explicit DeviceReader(Device device);
  // Waits for the copies that are enqueued.
  ~DeviceReader();
  DeviceReader(const DeviceReader&) = delete;
  DeviceReader& operator=(const DeviceReader&) = delete;

  const Stream& stream() const { return stream_; }

  // Copies `bytes` from `from` on the GPU to `to` on the host, which has them after finish(). Both
  // must remain valid until then. Blocks while both buffers are in use.
  void read(void* to, const void* from, std::size_t bytes);
  // Blocks until everything is copied. Throws the error of a copy that failed; nothing more of what
  // was passed to read() is copied then.
  void finish();

 private:
  struct Piece {
    void* to;
    std::size_t bytes;
  };
  // Pinned memory with the pieces that are copied into it, one after the other.
  struct Buffer {
    explicit Buffer(Device device);

    Tensor memory;
    Event filled;
    std::vector<Piece> pieces;
    std::size_t used = 0;
  };

  // Records the end of the current buffer, and continues with the other one.
  void swap();
  // Waits until `buffer` is filled, and copies its pieces to where they belong.
  static void empty(Buffer& buffer);

  Stream stream_;
  std::array<Buffer, 2> buffers_;
  std::size_t current_ = 0;
};

}  // namespace ripieno
