// Which build of the library of CPU kernels this process runs, and whether it is the program's own:
// the loader takes it from a folder where an earlier build may have left its own.
#pragma once

#include <string>

namespace ripieno::kernels {

// Of the library that was loaded: changes with the version, the compiler and the interface of the
// kernels.
const char* cpu_library_identity() noexcept;
// The same of what the program was built with.
const char* expected_cpu_library_identity() noexcept;

// What does not match, in one line; empty where both are of one build.
std::string cpu_library_mismatch();

}  // namespace ripieno::kernels
