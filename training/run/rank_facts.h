// Facts that must be equal on all ranks of a run; they are compared at startup.
#pragma once

#include <cstdint>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/handshake.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

// The build of the program, the kind of device and, on a CPU, the build of its kernels, which
// differs between kinds of processors.
std::vector<distributed::Fact> facts_of_program(Device device);
// The validation of a run, whose collectives would wait for each other if ranks disagreed.
std::vector<distributed::Fact> facts_of_validation(int64_t batch_size, bool has_data);
// One fact per key, except for keys whose paths may differ between hosts.
std::vector<distributed::Fact> facts_of(const Settings& settings);

}  // namespace ripieno
