#include "ripieno/kernels/cuda/cudnn/cudnn_library.h"

#include <cstddef>
#include <type_traits>

namespace ripieno::kernels::cuda {
namespace {

// Before 9.16 the backward requires padding if time is not a multiple of 128. Another major version
// may have other functions.
constexpr std::size_t kOldest = 91600, kBelow = 100000;

std::string to_text(std::size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

// Returns false if a function is missing.
bool take_functions(CudnnFunctions& functions, const LibraryLoader& loader, void* library) {
  bool all = true;
  const auto take = [&](auto& function, const char* name) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(loader.symbol(library, name));
    all = all && function;
  };
  take(functions.version, "cudnnGetVersion");
  take(functions.error_string, "cudnnGetErrorString");
  take(functions.last_error_string, "cudnnGetLastErrorString");
  take(functions.create, "cudnnCreate");
  take(functions.set_stream, "cudnnSetStream");
  take(functions.create_descriptor, "cudnnBackendCreateDescriptor");
  take(functions.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  take(functions.set_attribute, "cudnnBackendSetAttribute");
  take(functions.get_attribute, "cudnnBackendGetAttribute");
  take(functions.finalize, "cudnnBackendFinalize");
  take(functions.execute, "cudnnBackendExecute");
  return all;
}

constexpr const char* kRequired = "requires 9.16 or a later 9.x";

CudnnLibrary inspect(const LibraryLoader& loader, void* library, const std::string& place) {
  CudnnLibrary cudnn{.place = place};
  const bool all = take_functions(cudnn.functions, loader, library);
  const std::size_t version = cudnn.functions.version ? cudnn.functions.version() : 0;
  cudnn.description = "cuDNN " + to_text(version);
  if (version < kOldest || version >= kBelow) {
    cudnn.description += " found in " + place + ", " + kRequired;
  } else if (!all) {
    cudnn.description += " in " + place + " lacks functions of its graph interface";
  } else {
    cudnn.found = true;
  }
  return cudnn;
}

}  // namespace

CudnnLibrary open_cudnn(const LibraryLoader& loader, const std::vector<std::string>& candidates) {
  CudnnLibrary best;
  for (const std::string& candidate : candidates) {
    std::string why;
    void* const library = loader.open(candidate.c_str(), why);
    if (!library && candidate.find('/') == std::string::npos) continue;  // found nowhere
    CudnnLibrary cudnn{.description = "cuDNN cannot be loaded: " + why};
    if (library) cudnn = inspect(loader, library, candidate);
    if (cudnn.found) return cudnn;
    if (library) loader.close(library);
    if (best.description.empty()) best = cudnn;
  }
  if (best.description.empty()) {
    best.description = std::string("cuDNN: no libcudnn.so.9, ") + kRequired;
  }
  best.description += std::string("; ") + kHowToFindLibraries;
  return best;
}

const CudnnLibrary& cudnn() {
  // Never closed, because it may be unloaded first at exit.
  static const auto& library = *new CudnnLibrary(
      open_cudnn(system_loader(), candidates_of({"cudnn", "libcudnn.so.9", RIPIENO_CUDNN_FILE})));
  return library;
}

}  // namespace ripieno::kernels::cuda
