// InFlight: checks that a rank calls one collective at a time, across all of its communicators. For
// NCCL.
//
// NCCL can deadlock if collectives of two communicators run on one GPU at the same time, or in
// different orders on different ranks. Communicators over host memory do not need this check.
// Thread-safe.
#pragma once

#include <mutex>
#include <optional>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/communicators/collective.h"

namespace ripieno::distributed {

class InFlight {
 public:
  // Marks `collective` as in flight for its lifetime. Throws Error if another one is in flight.
  class Scope {
   public:
    Scope(InFlight& rank, const Collective& collective);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    InFlight& rank_;
  };

  // The one for `device`, a GPU, which only one rank uses. Lives until the process ends.
  static InFlight& on(Device device);

 private:
  std::mutex mutex_;
  std::optional<Collective> current_;
};

}  // namespace ripieno::distributed
