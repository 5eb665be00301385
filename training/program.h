// run_program: the body of main(), which turns an uncaught exception into one line on stderr and an
// exit status.
//
//   int main(int argc, char** argv) { return ripieno::run_program([&] { … return 0; }); }
#pragma once

#include <functional>

namespace ripieno {

// Returns the result of `body`. If that is 0 or 1 and stdout could not be written, the process ends
// with ExitStatus::storage. Closed standard streams are opened first (standard_streams.h).
//
// An uncaught exception, on any thread, ends the process with one line on stderr and the status for
// its type (exit_status.h). The stack is not unwound: destructors would wait for other ranks, which
// wait for this one. mpirun ends those.
int run_program(const std::function<int()>& body);

}  // namespace ripieno
