// The functions of cuDNN, which is loaded at run time. Private to kernels/cuda.
//
// It is not linked, so that a program also starts if cuDNN is missing or has another version; it
// then uses the built-in kernels.
#pragma once

#include <cudnn.h>

#include <string>
#include <vector>

#include "ripieno/kernels/cuda/runtime/nvidia_libraries.h"

namespace ripieno::kernels::cuda {

// The cuDNN functions that are used. Tests replace them.
struct CudnnFunctions {
  decltype(&cudnnGetVersion) version = nullptr;
  decltype(&cudnnGetErrorString) error_string = nullptr;
  decltype(&cudnnGetLastErrorString) last_error_string = nullptr;
  decltype(&cudnnCreate) create = nullptr;
  decltype(&cudnnSetStream) set_stream = nullptr;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor = nullptr;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor = nullptr;
  decltype(&cudnnBackendSetAttribute) set_attribute = nullptr;
  decltype(&cudnnBackendGetAttribute) get_attribute = nullptr;
  decltype(&cudnnBackendFinalize) finalize = nullptr;
  decltype(&cudnnBackendExecute) execute = nullptr;
};

struct CudnnLibrary {
  bool found = false;
  CudnnFunctions functions = {};
  std::string description = {};  // "cuDNN 9.19.0"; or what was found and what is required
  std::string place = {};        // the file that was loaded
};

// Loads the first of the candidates that has a suitable version.
CudnnLibrary open_cudnn(const LibraryLoader& loader, const std::vector<std::string>& candidates);
// The library of the process, searched for (nvidia_libraries.h) and loaded at the first call.
const CudnnLibrary& cudnn();

}  // namespace ripieno::kernels::cuda
