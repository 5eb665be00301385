// The NCCL library, which is loaded at run time, so that programs also start where it is missing.
#pragma once

#include <string>
#include <vector>

#include "ripieno/kernels/cuda/runtime/nvidia_libraries.h"

namespace ripieno::distributed {

struct NcclLibrary {
  bool found = false;
  std::string description;  // "NCCL 2.28.9 from FILE"; or what was found and what is required
  void* (*symbol)(void* library, const char* name) = nullptr;
  void* library = nullptr;
};

// Loads the first of the candidates that has a suitable version.
NcclLibrary open_nccl(const kernels::cuda::LibraryLoader& loader,
                      const std::vector<std::string>& candidates);
// The library of the process, searched for (nvidia_libraries.h) and loaded at the first call.
const NcclLibrary& nccl_library();

}  // namespace ripieno::distributed
