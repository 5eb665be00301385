#include "ripieno/io/checkpoint/state_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

bool has_same_layout(const StateTensor& copied, const StateTensor& tensor) {
  return copied.count() == tensor.count() &&
         (tensor.count() == 0 || copied.part.dtype() == tensor.part.dtype());
}

// A state with the layout of `mine` in separate CPU memory: that of `existing` if its layout
// matches, else newly allocated.
State in_cpu_memory(const State& mine, State existing) {
  const bool matches =
      std::equal(existing.begin(), existing.end(), mine.begin(), mine.end(), has_same_layout);
  if (!matches) existing.clear();  // free it before allocating more
  State result = mine;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (mine[i].count() == 0) continue;
    const Tensor& part = mine[i].part;
    result[i].part = matches ? existing[i].part.reshape(part.shape())
                             : Tensor::zeros(part.shape(), part.dtype());
  }
  return result;
}

}  // namespace

void StateCopy::reserve(const State& mine) {
  copied_ = in_cpu_memory(mine, std::exchange(copied_, {}));
  for (const StateTensor& tensor : mine) {
    if (tensor.count() == 0 || !tensor.part.device().is_cuda()) continue;
    auto& gpu = gpus_[tensor.part.device().index];
    if (!gpu) gpu = std::make_unique<Gpu>(tensor.part.device());
  }
}

void StateCopy::begin(const State& mine) {
  if (is_begun_) gpus_.clear();  // the previous copy failed: nothing of it may be completed
  reserve(mine);
  is_begun_ = true;
  on_cpu_ = {};
  shortage_.clear();
  for (auto& [index, gpu] : gpus_) gpu->tensors = {};
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (mine[i].count() == 0) continue;
    const Device device = mine[i].part.device();
    Tensors& tensors = device.is_cuda() ? gpus_.at(device.index)->tensors : on_cpu_;
    tensors.from.push_back(mine[i].part.dense());
    tensors.to.push_back(copied_[i].part);
  }
  for (auto& [index, gpu] : gpus_) take_snapshot(*gpu, Device::cuda(index));
}

void StateCopy::take_snapshot(Gpu& gpu, Device device) {
  const Stream& stream = gpu.reader.stream();
  stream.wait(current_stream(device));
  gpu.snapshot = snapshot(gpu.tensors.from, stream);
  gpu.orders_changes = gpu.snapshot.has_value();
  if (gpu.snapshot) return gpu.copied.record(stream);
  std::size_t bytes = 0;
  for (const Tensor& tensor : gpu.tensors.from) bytes += tensor.bytes();
  shortage_ = fmt::format("{} has no memory for a copy of the state ({:.2f} GiB)",
                          to_string(device), static_cast<double>(bytes) / (int64_t{1} << 30));
}

void StateCopy::finish(const std::function<void()>& released) {
  for (std::size_t i = 0; i < on_cpu_.from.size(); ++i)
    std::memcpy(on_cpu_.to[i].raw_data(), on_cpu_.from[i].raw_data(), on_cpu_.to[i].bytes());
  const bool can_release_at_once = shortage_.empty();
  if (can_release_at_once) released();
  for (auto& [index, gpu] : gpus_) read(*gpu);
  on_cpu_ = {};
  is_begun_ = false;
  if (!can_release_at_once) released();
}

void StateCopy::read(Gpu& gpu) {
  const Tensors& tensors = gpu.tensors;
  for (std::size_t i = 0; i < tensors.from.size(); ++i) {
    gpu.reader.read(tensors.to[i].raw_data(),
                    gpu.snapshot ? gpu.snapshot->data(i) : tensors.from[i].raw_data(),
                    tensors.to[i].bytes());
  }
  gpu.reader.finish();
  gpu.snapshot.reset();
  gpu.tensors = {};
}

void StateCopy::order_changes() {
  for (const auto& [index, gpu] : gpus_) {
    if (std::exchange(gpu->orders_changes, false))
      current_stream(Device::cuda(index)).wait(gpu->copied);
  }
}

}  // namespace ripieno::io
