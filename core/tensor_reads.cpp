#include "ripieno/core/tensor_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ripieno/core/tensor_implementation.h"

namespace ripieno {
namespace {

thread_local TensorReads::Noting* innermost = nullptr;

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
  const auto found = std::find_if(reads_.rbegin(), reads_.rend(), [&](const Read& read) {
    return !read.memory.owner_before(memory) && !memory.owner_before(read.memory);
  });
  return found == reads_.rend() ? nullptr : &*found;
}

void TensorReads::add(const Tensor& tensor) {
  const uint64_t version = tensor.version();
  const std::shared_ptr<Storage>& memory = tensor.implementation().storage;
  if (find(memory) == nullptr) reads_.push_back({memory, version, tensor.shape(), tensor.dtype()});
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
    fail(fmt::format(
        "recomputed: the function reads a tensor {} {} on {} that was changed in place after the "
        "forward; let it read a clone() made before the forward, or change the tensor after the "
        "backward",
        to_string(read.shape), name_of(read.dtype), to_string(memory->device)));
  }
}

}  // namespace ripieno
