// InFlight: asserts that a rank has one collective in flight at a time, whichever of its
// communicators carries it.
//
// Communicators over host memory do not need it: their groups are ordered apart. NCCL can deadlock
// where collectives of two communicators share a GPU. Any thread may use it.
#pragma once

#include <mutex>
#include <optional>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/communicators/collective.h"

namespace ripieno::distributed {

class InFlight {
 public:
  // `collective` is in flight while this lives. Throws Error where another one is.
  class Scope {
   public:
    Scope(InFlight& rank, const Collective& collective);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    InFlight& rank_;
  };

  // Of this process on a GPU, which one rank has. It lives as long as the process.
  static InFlight& on(Device device);

 private:
  std::mutex mutex_;
  std::optional<Collective> current_;
};

}  // namespace ripieno::distributed
