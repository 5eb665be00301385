#include "ripieno/io/background_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "ripieno/io/posix_error.h"

namespace ripieno::io {

void BackgroundWriter::Free::operator()(std::byte* memory) const { std::free(memory); }

BackgroundWriter::Buffer BackgroundWriter::make_buffer() {
  auto* memory = std::aligned_alloc(DirectOutput::kAlignment, kBufferBytes);
  if (memory == nullptr) throw std::bad_alloc();
  return {std::unique_ptr<std::byte[], Free>(static_cast<std::byte*>(memory)), 0};
}

BackgroundWriter::BackgroundWriter(DirectOutput& output, const std::string& path,
                                   int64_t needed_bytes)
    : output_(output), needed_bytes_(needed_bytes) {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    refuse("start a thread to write", path, error.code().value());
  }
}

BackgroundWriter::~BackgroundWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = std::min(bytes.size(), kBufferBytes - filling_.size);
    std::memcpy(filling_.memory.get() + filling_.size, bytes.data(), count);
    filling_.size += count;
    bytes = bytes.subspan(count);
    if (filling_.size == kBufferBytes) hand_over();
  }
}

void BackgroundWriter::flush() {
  hand_over();
  std::unique_lock lock(mutex_);
  wait_until_written(lock);
}

void BackgroundWriter::hand_over() {
  {
    std::unique_lock lock(mutex_);
    wait_until_written(lock);
    std::swap(filling_, writing_);
  }
  changed_.notify_all();
}

void BackgroundWriter::wait_until_written(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return writing_.size == 0 || failure_ != nullptr; });
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

void BackgroundWriter::run() {
  std::unique_lock lock(mutex_);
  while (failure_ == nullptr) {
    changed_.wait(lock, [&] { return writing_.size > 0 || is_ending_; });
    if (is_ending_) return;
    lock.unlock();
    std::exception_ptr failure;
    try {
      output_.write({writing_.memory.get(), writing_.size}, needed_bytes_);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    lock.lock();
    writing_.size = 0;
    failure_ = failure;
    changed_.notify_all();
  }
}

}  // namespace ripieno::io
