// The facts that must be the same on every rank of a run, for the handshakes at its start.
#pragma once

#include <cstdint>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/handshake.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

// The program's build, that of its kernels on a CPU (two kinds of processor may run two), and the
// kind of device.
std::vector<distributed::Fact> facts_of_program(Device device);
// The validation of a run, without which ranks would wait for each other in it.
std::vector<distributed::Fact> facts_of_validation(int64_t batch_size, bool has_data);
// A fact a key, but for those that may name another path on each host.
std::vector<distributed::Fact> facts_of(const Settings& settings);

}  // namespace ripieno
