// Machines from other sources than the built-in table: this host, and a calibration file.
#pragma once

#include <string>

#include "ripieno/tools/calibration.h"
#include "ripieno/tools/plan/machine.h"

namespace ripieno::tools::plan {

// This host's CPU: the processors that this process may use and its memory, with the speed of the
// built-in "cpu" per core.
Machine machine_here();

// The machine that was calibrated. `device`: its name in the built-in table, for what a
// calibration does not have (memory of a GPU); empty: "cpu", or the built-in device whose name is
// part of the calibration's. `path`: for messages. Throws ConfigurationError if `device` is not the
// kind that was calibrated.
Machine calibrated_machine(const Calibration& calibration, const std::string& device,
                           const std::string& path);

// Sets what the programs of this build take of a host's memory, as this process does now.
void set_program_bytes(Machine& machine);

// Changes the number of cores; the speed of a core stays.
void set_cores(Machine& machine, double cores);

}  // namespace ripieno::tools::plan
