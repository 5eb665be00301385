// Error message for SIGBUS: mapped memory that has no storage behind it.
#pragma once

namespace ripieno {

// Installs a handler for SIGBUS, which prints one line to stderr and ends the process: with
// ExitStatus::storage if the address belongs to a mapped file (which was truncated or is on failed
// storage), otherwise by the signal.
void report_bus_errors();

// Sets what records the end of the process before that; null: nothing. It is called with the line,
// without the program's name, or with null if the process ends by the signal, and must be
// async-signal-safe.
void record_bus_errors(void (*record)(const char* line));

}  // namespace ripieno
