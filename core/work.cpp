#include "ripieno/core/work.h"

#include "ripieno/core/tensor.h"

namespace ripieno {
namespace {

// The elements of an expanded axis are one in memory.
int64_t bytes_in_memory(const Tensor& x) {
  int64_t elements = 1;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (x.strides()[axis] != 0 || x.shape()[axis] == 0) elements *= x.shape()[axis];
  return elements * static_cast<int64_t>(size_of(x.dtype()));
}

int64_t bytes_of(std::initializer_list<const Tensor*> tensors) {
  int64_t bytes = 0;
  for (const Tensor* tensor : tensors)
    if (tensor->defined()) bytes += bytes_in_memory(*tensor);
  return bytes;
}

}  // namespace

void ProfiledOperation::begin(const Work& work, Device device) {
  sink_->begin({.kind = trace::Event::Kind::operation,
                .name = work.name,
                .bytes = work.tensors.size() == 0 ? trace::kUnknown
                                                  : bytes_of(work.tensors) + work.more_bytes,
                .flops = work.flops,
                .device = device});
}

}  // namespace ripieno
