// BackgroundWriter: writes a large file in a background thread while the caller produces the next
// bytes. If no thread can be started, the calling thread writes. Used by local_files(). Not
// installed.
//
// Three buffers form a ring: one is being filled, one is queued and one is being written, so the
// writing thread never has to wait for the caller to wake up.
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
  // `output` must outlive this object. `needed_bytes`: size of the whole file, for the error
  // message when the disk is full.
  BackgroundWriter(DirectOutput& output, int64_t needed_bytes);
  // Joins the thread. Bytes that were not flushed are discarded.
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  // Copies the bytes; blocks while all buffers are full. An error of the writing thread is rethrown
  // here or by flush(), and by every later call.
  void append(std::span<const std::byte> bytes);
  // Blocks until all bytes are written to the file. They are not synced.
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
  void submit();
  // Blocks until at most `count` buffers are unwritten, including the one being written.
  void wait_until_unwritten(int count, std::unique_lock<std::mutex>& lock);
  void run();

  DirectOutput& output_;
  const int64_t needed_bytes_;
  std::array<Buffer, kBuffers> buffers_ = {make_buffer(), make_buffer(), make_buffer()};  // a ring
  std::size_t filling_ = 0;  // index of the buffer that append() fills; calling thread only

  std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  int unwritten_ = 0;  // buffers submitted before filling_; the first of them is being written
  std::exception_ptr failure_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace ripieno::io
