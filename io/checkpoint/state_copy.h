// StateCopy: a copy in CPU memory of the state that a rank saves, made while training continues.
// Not installed.
//
//   copy.begin(mine);                // the thread that trains
//   copy.finish(released);           // another thread: calls released(), and ends with the copy
//   copy.order_changes();            // the thread that trains, after released() was called
//
// Tensors on a GPU are first copied on the GPU, on a stream of this object, if the GPU has memory
// for it: released() is then called at once, and the optimizer waits for that copy on the GPU only.
// Without that memory, as for tensors on the CPU, released() is called when they are in CPU memory.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/device_reader.h"
#include "ripieno/core/device_snapshot.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno::io {

class StateCopy {
 public:
  // Allocates and touches the CPU memory, and creates the streams, for copies of a state with this
  // layout. Throws Error if there is not enough memory.
  void reserve(const State& mine);

  // Begins a copy of the state as all work that is enqueued on the current streams leaves it. The
  // previous copy must be finished. Throws as reserve().
  void begin(const State& mine);
  // Blocks until the copy is complete. Calls `released` once the tensors that were passed to
  // begin() may be changed by work that is enqueued after order_changes().
  void finish(const std::function<void()>& released);
  // Makes later work on the current streams of the GPUs wait until they have copied the state. Does
  // not block the host. From the thread that called begin().
  void order_changes();

  // The copy, after finish(): the state with other memory, in which the next copy is made.
  const State& copied() const { return copied_; }
  // What begin() found to be missing for a copy on the GPU, in words; empty if it made one.
  const std::string& shortage() const { return shortage_; }

 private:
  struct Tensors {
    std::vector<Tensor> from, to;  // of the same sizes
  };
  // A GPU, and the tensors of the state that are on it.
  struct Gpu {
    explicit Gpu(Device device) : reader(device), copied(device) {}

    DeviceReader reader;
    Tensors tensors;
    std::optional<DeviceSnapshot> snapshot;  // empty if the GPU has no memory for it
    Event copied;                            // when the snapshot is complete
    bool orders_changes = false;
  };

  void take_snapshot(Gpu& gpu, Device device);
  static void read(Gpu& gpu);

  State copied_;
  Tensors on_cpu_;
  std::map<int, std::unique_ptr<Gpu>> gpus_;  // by index
  std::string shortage_;
  bool is_begun_ = false;
};

}  // namespace ripieno::io
