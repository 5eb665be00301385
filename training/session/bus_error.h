// What a program says when memory that is mapped from a file is not there any more.
#pragma once

namespace ripieno {

// From now on a SIGBUS ends the process with one line on stderr, and with ExitStatus::storage where
// it came from a file that is mapped: the file was cut short, or its storage went away.
void report_bus_errors();

}  // namespace ripieno
