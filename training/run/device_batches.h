// DeviceBatches: the batches of a loader, copied to the device that trains on them. Used by Run.
//
// For a GPU, the next batch is copied from pinned memory on a separate stream while a step runs.
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
  // `loader` must outlive this object, and must not be used by others meanwhile.
  DeviceBatches(io::Loader& loader, Device device);
  ~DeviceBatches();
  DeviceBatches(const DeviceBatches&) = delete;
  DeviceBatches& operator=(const DeviceBatches&) = delete;

  // The batch of the next step, ready for use on the current stream. Throws what the loader throws.
  io::Batch next();
  // Starts copying the batch after that. Call it once the work of the step has been enqueued.
  void fetch();

  // The position of the loader in samples, not counting a batch that was fetched ahead.
  int64_t position() const { return position_; }
  void seek(int64_t position);

 private:
  void copy_ahead(io::Batch batch);

  io::Loader& loader_;
  Device device_;
  int64_t position_;
  Stream copying_;
  Event copied_;  // the batch ahead has arrived on the device
  Event taken_;   // the previous batch ahead has been copied out of ahead_
  // At most one batch is fetched ahead. Its copies in pinned memory and on the device:
  io::Batch pinned_, ahead_;
  std::optional<int64_t> position_ahead_;
  std::exception_ptr failure_;  // of fetching the batch ahead
};

}  // namespace ripieno
