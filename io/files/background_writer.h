// BackgroundWriter: writes a large file in a thread of its own while its caller computes the next
// bytes; where no thread can be had, the caller writes. For local_files(). Not installed.
//
// Three buffers: one is being filled, one is being written, and one waits, so that the thread never
// waits for another to wake up.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "ripieno/io/files/direct_output.h"

namespace ripieno::io {

class BackgroundWriter {
 public:
  // `output` must outlive it.
  BackgroundWriter(DirectOutput& output, int64_t needed_bytes);
  // Drops what was not flushed.
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  // Takes a copy, and may wait until an earlier one is written. What the thread met is thrown here,
  // or by flush(), and then by every later call.
  void append(std::span<const std::byte> bytes);
  // Once it returns, all bytes are handed to the system.
  void flush();

 private:
  static constexpr std::size_t kBufferBytes = 8 << 20;
  static constexpr int kBuffers = 3;

  struct Free {
    void operator()(std::byte* memory) const;
  };
  struct Buffer {
    std::unique_ptr<std::byte[], Free> memory;
    std::size_t size = 0;
  };
  static Buffer make_buffer();

  Buffer& filling() { return buffers_[filling_]; }
  void hand_over();
  // Until so many wait at most, the one being written included.
  void wait_until_waiting(int at_most, std::unique_lock<std::mutex>& lock);
  void run();

  DirectOutput& output_;
  const int64_t needed_bytes_;
  std::array<Buffer, kBuffers> buffers_ = {make_buffer(), make_buffer(), make_buffer()};  // a ring
  std::size_t filling_ = 0;  // the caller's

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  int waiting_ = 0;  // those before filling_, the first of which is being written
  std::exception_ptr failure_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace ripieno::io
