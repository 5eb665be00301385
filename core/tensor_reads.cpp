#include "ripieno/core/tensor_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "ripieno/core/tensor_implementation.h"

namespace ripieno {
namespace {

thread_local TensorReads::Noting* innermost = nullptr;

bool is_same(const std::weak_ptr<Storage>& a, const std::shared_ptr<Storage>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

// What is passed over, in the whole process: of each model its buffers.
class PassedOver {
 public:
  static PassedOver& instance() {
    static PassedOver& passed_over = *new PassedOver;
    return passed_over;
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

TensorReads::Noting::Noting(TensorReads& reads)
    : reads_(reads), outer_(std::exchange(innermost, this)) {}
TensorReads::Noting::~Noting() { innermost = outer_; }

bool TensorReads::are_noted() { return innermost != nullptr; }

void TensorReads::note(const Tensor& tensor) {
  if (!tensor.defined()) return;
  for (Noting* noting = innermost; noting != nullptr; noting = noting->outer_) {
    noting->reads_.add(tensor);
  }
}

// The latest first: most operations read what was just computed.
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

void TensorReads::pass_over(const Tensor& tensor) {
  PassedOver::instance().add(tensor.implementation().storage);
}

void TensorReads::forget(const Tensor& tensor) {
  if (Read* const read = find(tensor.implementation().storage)) read->memory.reset();
}

void TensorReads::forget_gone_and_written() {
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
    if (PassedOver::instance().contains(memory)) continue;
    fail(fmt::format(
        "recomputed: the function reads a tensor {} {} on {} that was changed in place after the "
        "forward; let it read a clone() made before the forward, or change the tensor after the "
        "backward",
        to_string(read.shape), name_of(read.dtype), to_string(memory->device)));
  }
}

}  // namespace ripieno
