#include "ripieno/core/pinned.h"

#include <cstring>

#include "ripieno/core/device/memory.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {
namespace {

class PinnedMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes) override { return kernels::cuda::allocate_pinned(bytes); }
  void deallocate(void* memory, std::size_t) noexcept override {
    kernels::cuda::deallocate_pinned(memory);
  }
};

// Never destroyed, as the other pools.
Pool& pinned_pool() {
  static auto& memory = *new PinnedMemory;
  static auto& pool = *new Pool(memory);
  return pool;
}

}  // namespace

Tensor pinned_tensor(const Shape& shape, DType dtype, Device partner) {
  if (!partner.is_cuda()) return Tensor(shape, dtype);
  current_stream(partner);  // makes it the current CUDA device of this thread
  const auto bytes = static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  return tensor_over(allocate_storage(bytes, Device::cpu(), pinned_pool()), 0, shape,
                     dense_strides(shape), dtype);
}

void enqueue_copy(const Tensor& to, const Tensor& from) {
  if (!(to.shape() == from.shape()) || to.dtype() != from.dtype() || !to.is_dense() ||
      !from.is_dense()) {
    fail("enqueue_copy: source is " + describe(from) + ", destination is " + describe(to) +
         "; both must be dense and have the same shape and element type");
  }
  if (to.elements() == 0) return;
  const Device device = to.device().is_cuda() ? to.device() : from.device();
  if (!device.is_cuda()) return void(std::memcpy(to.raw_data(), from.raw_data(), to.bytes()));
  kernels::cuda::copy(to.raw_data(), from.raw_data(), to.bytes(), current_stream(device).handle());
}

}  // namespace ripieno
