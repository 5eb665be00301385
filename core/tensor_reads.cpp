#include "ripieno/core/tensor_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "ripieno/core/tensor_implementation.h"

namespace ripieno {
namespace {

thread_local TensorReads::Tracking* innermost = nullptr;

bool is_same(const std::weak_ptr<Storage>& a, const std::shared_ptr<Storage>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

// The memory whose writes are ignored, process-wide: the buffers of each model.
class IgnoredMemory {
 public:
  static IgnoredMemory& instance() {
    static IgnoredMemory& ignored = *new IgnoredMemory;
    return ignored;
  }
  void add(const std::shared_ptr<Storage>& memory) {
    const std::lock_guard lock(mutex_);
    std::erase_if(all_, [](const auto& other) { return other.expired(); });
    if (!has(memory)) all_.push_back(memory);
  }
  bool contains(const std::shared_ptr<Storage>& memory) {
    const std::lock_guard lock(mutex_);
    return has(memory);
  }

 private:
  bool has(const std::shared_ptr<Storage>& memory) const {
    return std::any_of(all_.begin(), all_.end(),
                       [&](const auto& other) { return is_same(other, memory); });
  }

  std::mutex mutex_;
  std::vector<std::weak_ptr<Storage>> all_;
};

}  // namespace

TensorReads::Tracking::Tracking(TensorReads& reads)
    : reads_(reads), outer_(std::exchange(innermost, this)) {}
TensorReads::Tracking::~Tracking() { innermost = outer_; }

bool TensorReads::is_tracking() { return innermost != nullptr; }

void TensorReads::track(const Tensor& tensor) {
  if (!tensor.defined()) return;
  for (Tracking* tracking = innermost; tracking != nullptr; tracking = tracking->outer_) {
    tracking->reads_.add(tensor);
  }
}

// From the back: most operations read what was just computed.
TensorReads::Read* TensorReads::find(const std::shared_ptr<Storage>& memory) {
  const auto found = std::find_if(reads_.rbegin(), reads_.rend(),
                                  [&](const Read& read) { return is_same(read.memory, memory); });
  return found == reads_.rend() ? nullptr : &*found;
}

void TensorReads::add(const Tensor& tensor) {
  const uint64_t version = tensor.version();
  const std::shared_ptr<Storage>& memory = tensor.implementation().storage;
  if (find(memory) == nullptr) reads_.push_back({memory, version, tensor.shape(), tensor.dtype()});
}

void TensorReads::ignore_writes(const Tensor& tensor) {
  IgnoredMemory::instance().add(tensor.implementation().storage);
}

void TensorReads::remove(const Tensor& tensor) {
  if (Read* const read = find(tensor.implementation().storage)) read->memory.reset();
}

void TensorReads::remove_freed_and_written() {
  std::erase_if(reads_, [](const Read& read) {
    const auto memory = read.memory.lock();
    return memory == nullptr || memory->version != read.version;
  });
  reads_.shrink_to_fit();
}

void TensorReads::require_unchanged() const {
  for (const Read& read : reads_) {
    const auto memory = read.memory.lock();
    if (memory == nullptr || memory->version == read.version) continue;
    if (IgnoredMemory::instance().contains(memory)) continue;
    fail(fmt::format(
        "recomputed: the function reads a tensor {} {} on {} that was changed in place after the "
        "forward; read a clone() made before the forward instead, or change the tensor after the "
        "backward",
        to_string(read.shape), name_of(read.dtype), to_string(memory->device)));
  }
}

}  // namespace ripieno
