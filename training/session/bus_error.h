// Error message for SIGBUS: mapped memory that has no storage behind it.
#pragma once

namespace ripieno {

// Installs a handler for SIGBUS, which prints one line to stderr and ends the process by the
// signal.
void report_bus_errors();

// Sets what records the end of the process before that; null: nothing. It must be
// async-signal-safe.
void record_bus_errors(void (*record)());

}  // namespace ripieno
