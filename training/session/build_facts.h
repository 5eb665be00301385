// BuildFacts: version, compiler and options of this build, and the CPU kernels that the loader
// chose, printed by --version.
#pragma once

#include <string>

namespace ripieno {

struct BuildFacts {
  std::string version;     // "0.2.0"
  std::string compiler;    // "GNU 12.2.0"
  std::string cuda;        // "CUDA 13.0.48, architectures 80-real", "emulated CUDA", "without CUDA"
  std::string mpi;         // "Open MPI v4.1.4" or "without MPI"
  std::string cpu_level;   // of the CPU kernels in use: "x86-64-v3"
  std::string build_type;  // "Release"; "none" if CMAKE_BUILD_TYPE was empty
};

// Also works before MPI is initialized.
BuildFacts build_facts();

// What `program --version` prints, one fact per line, without the final newline:
//
//   train_gpt 0.2.0
//   compiler: GNU 12.2.0
//   CUDA 13.0.48, architectures 80-real 90-real
//   Open MPI v4.1.4
//   CPU level: x86-64-v3
//   build type: Release
std::string version_text(const std::string& program);

}  // namespace ripieno
