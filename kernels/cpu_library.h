// Checks that the shared library of CPU kernels that was loaded is from the same build as the
// program: the dynamic loader may find one that an earlier build left in the same folder.
#pragma once

#include <string>

namespace ripieno::kernels {

// Identity of the loaded library. It changes with the version, the compiler and the interface of
// the kernels.
const char* cpu_library_identity() noexcept;
// Identity of the library that the program was built with.
const char* expected_cpu_library_identity() noexcept;

// One line that describes the mismatch; empty if both identities are equal.
std::string cpu_library_mismatch();

}  // namespace ripieno::kernels
