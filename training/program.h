// How a program ends: one line on stderr where something went wrong, and the exit status that fits.
//
//   int main(int argc, char** argv) { return ripieno::run_program([&] { … return 0; }); }
#pragma once

#include <functional>

namespace ripieno {

// What `body` returns, or ExitStatus::storage where that is 0 and what was printed on stdout could
// not be written. Closed standard streams are opened first (standard_streams.h).
//
// An exception that nobody catches ends the process where it is thrown: one line on stderr, and the
// status of its kind (exit_status.h). Nothing is unwound, because destructors would wait for peers
// that wait for this rank; mpirun ends those.
int run_program(const std::function<int()>& body);

}  // namespace ripieno
