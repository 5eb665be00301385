#include "ripieno/io/files/background_writer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace ripieno::io {

void BackgroundWriter::Free::operator()(std::byte* memory) const { std::free(memory); }

BackgroundWriter::Buffer BackgroundWriter::make_buffer() {
  auto* memory = std::aligned_alloc(DirectOutput::kAlignment, kBufferBytes);
  if (memory == nullptr) throw std::bad_alloc();
  return {std::unique_ptr<std::byte[], Free>(static_cast<std::byte*>(memory)), 0};
}

BackgroundWriter::BackgroundWriter(DirectOutput& output, int64_t needed_bytes)
    : output_(output), needed_bytes_(needed_bytes) {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {  // cannot start a thread: append() writes synchronously
  }
}

BackgroundWriter::~BackgroundWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void BackgroundWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = std::min(bytes.size(), kBufferBytes - filling().size);
    std::memcpy(filling().memory.get() + filling().size, bytes.data(), count);
    filling().size += count;
    bytes = bytes.subspan(count);
    if (filling().size == kBufferBytes) submit();
  }
}

void BackgroundWriter::flush() {
  submit();
  std::unique_lock lock(mutex_);
  wait_until_unwritten(0, lock);
}

void BackgroundWriter::submit() {
  if (!thread_.joinable()) {
    output_.write({filling().memory.get(), std::exchange(filling().size, 0)}, needed_bytes_);
    return;
  }
  {
    std::unique_lock lock(mutex_);
    wait_until_unwritten(kBuffers - 2, lock);
    ++unwritten_;
  }
  changed_.notify_all();
  filling_ = (filling_ + 1) % kBuffers;
  filling().size = 0;
}

void BackgroundWriter::wait_until_unwritten(int count, std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return unwritten_ <= count || failure_ != nullptr; });
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

void BackgroundWriter::run() {
  std::unique_lock lock(mutex_);
  for (std::size_t first = 0; failure_ == nullptr; first = (first + 1) % kBuffers) {
    changed_.wait(lock, [&] { return unwritten_ > 0 || is_stopping_; });
    if (is_stopping_) return;
    lock.unlock();
    const Buffer& writing = buffers_[first];
    std::exception_ptr failure;
    try {
      output_.write({writing.memory.get(), writing.size}, needed_bytes_);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    lock.lock();
    --unwritten_;
    failure_ = failure;
    changed_.notify_all();
  }
}

}  // namespace ripieno::io
