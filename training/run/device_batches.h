// DeviceBatches: a loader's batches on the device of the steps, for Run.
//
// For a GPU the next batch is copied while a step runs, on a stream of its own, from pinned memory.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>

#include "ripieno/core/device/device.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/io/data/loader.h"

namespace ripieno {

class DeviceBatches {
 public:
  // The loader outlives this, which alone uses it.
  DeviceBatches(io::Loader& loader, Device device);
  ~DeviceBatches();
  DeviceBatches(const DeviceBatches&) = delete;
  DeviceBatches& operator=(const DeviceBatches&) = delete;

  // The next step's, for the current stream. Throws what the loader throws.
  io::Batch next();
  // Begins to copy the one after it: call it when the device has been given the step.
  void fetch();

  // Of the loader, as if it had only made what next() gave.
  int64_t position() const { return position_; }
  void seek(int64_t position);

 private:
  void copy_ahead(io::Batch batch);

  io::Loader& loader_;
  Device device_;
  int64_t position_;
  Stream copying_;
  Event copied_;  // what is ahead
  Event taken_;   // what was ahead before it
  // At most one batch is ahead: in pinned memory, and on the device.
  io::Batch pinned_, ahead_;
  std::optional<int64_t> position_ahead_;
  std::exception_ptr failure_;  // of the batch ahead
};

}  // namespace ripieno
