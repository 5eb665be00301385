#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

std::unique_ptr<MemoryResource> Communicator::shared_memory(std::size_t) { return nullptr; }

std::string Communicator::obstacle_to_recording(Device) const {
  return "the ranks communicate through host memory";
}

void Communicator::replay(const std::function<void()>& enqueue) { enqueue(); }

}  // namespace ripieno::distributed
