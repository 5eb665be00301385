#include "ripieno/training/run/device_batches.h"

#include <cstring>
#include <utility>

#include "ripieno/core/device/copy.h"
#include "ripieno/core/pinned.h"

namespace ripieno {
namespace {

bool is_like(const Tensor& a, const Tensor& b) {
  return a.defined() && a.shape() == b.shape() && a.dtype() == b.dtype();
}

// Reuses the memory of `to` if shape and type match.
void copy_to_pinned(Tensor& to, const Tensor& from, Device partner) {
  const Tensor dense = from.dense();
  if (!is_like(to, dense)) to = pinned_tensor(dense.shape(), dense.dtype(), partner);
  std::memcpy(to.raw_data(), dense.raw_data(), dense.bytes());
}

void copy_to_device(Tensor& to, const Tensor& pinned, Device device) {
  if (!is_like(to, pinned)) to = Tensor(pinned.shape(), pinned.dtype(), device);
  enqueue_copy(to, pinned);
}

}  // namespace

DeviceBatches::DeviceBatches(io::Loader& loader, Device device)
    : loader_(loader),
      device_(device),
      position_(loader.position()),
      copying_(device),
      copied_(device),
      taken_(device) {}

// A copy may still be running.
DeviceBatches::~DeviceBatches() {
  try {
    copied_.synchronize();
  } catch (...) {  // the device failed, which was reported where it was used
  }
}

void DeviceBatches::seek(int64_t position) {
  position_ahead_.reset();
  failure_ = nullptr;
  loader_.seek(position);
  position_ = position;
}

io::Batch DeviceBatches::next() {
  if (!device_.is_cuda()) {
    io::Batch batch = loader_.next();
    position_ = loader_.position();
    return batch;
  }
  if (!position_ahead_ && !failure_) fetch();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  const Stream& computing = current_stream(device_);
  computing.wait(copied_);
  // Copied once more, so that each step has its batch at the same address while ahead_ receives the
  // next one.
  io::Batch batch = ahead_;
  batch.inputs = ahead_.inputs.clone();
  batch.targets = ahead_.targets.clone();
  for (auto& extra : batch.extras) extra.tensor = extra.tensor.clone();
  taken_.record(computing);
  position_ = *std::exchange(position_ahead_, std::nullopt);
  return batch;
}

void DeviceBatches::fetch() {
  if (!device_.is_cuda() || position_ahead_ || failure_) return;
  try {
    copy_ahead(loader_.next());
    position_ahead_ = loader_.position();
  } catch (...) {
    failure_ = std::current_exception();  // rethrown by next(): it belongs to the next step
  }
}

void DeviceBatches::copy_ahead(io::Batch batch) {
  copied_.synchronize();  // of the previous batch, after which pinned_ can be overwritten
  copy_to_pinned(pinned_.inputs, batch.inputs, device_);
  copy_to_pinned(pinned_.targets, batch.targets, device_);
  pinned_.extras.resize(batch.extras.size());
  ahead_.extras.resize(batch.extras.size());
  for (std::size_t i = 0; i < batch.extras.size(); ++i)
    copy_to_pinned(pinned_.extras[i].tensor, batch.extras[i].tensor, device_);
  const OnStream on_stream(copying_);
  copying_.wait(taken_);
  copy_to_device(ahead_.inputs, pinned_.inputs, device_);
  copy_to_device(ahead_.targets, pinned_.targets, device_);
  for (std::size_t i = 0; i < batch.extras.size(); ++i) {
    ahead_.extras[i].name = batch.extras[i].name;
    copy_to_device(ahead_.extras[i].tensor, pinned_.extras[i].tensor, device_);
  }
  ahead_.first_row = batch.first_row;
  ahead_.global_rows = batch.global_rows;
  ahead_.units = batch.units;
  copied_.record(copying_);
}

}  // namespace ripieno
