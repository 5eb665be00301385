// cuDNN as it is found when the program runs: its functions, opened by name, or why there are none.
// Private to kernels/cuda.
//
// It is not linked, so that a program starts, and trains with kernels of our own, where cuDNN is
// missing or of another version.
#pragma once

#include <cudnn.h>

#include <string>

namespace ripieno::kernels::cuda {

// The functions of cuDNN that we call. Tests put others in their place.
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
  CudnnFunctions functions;
  std::string description;  // "cuDNN 9.19.0", or what was found, what is needed
};

// How a library is opened and asked for a function; null where there is none.
struct LibraryLoader {
  void* (*open)(const char* name);
  void* (*symbol)(void* library, const char* name);
};

// Looks beside the toolkit that this was built with, and where the system's loader looks.
CudnnLibrary open_cudnn(const LibraryLoader& loader);
// Opened at the first call, by the system's loader.
const CudnnLibrary& cudnn();

}  // namespace ripieno::kernels::cuda
