#include "ripieno/kernels/cuda/cudnn/cudnn_library.h"

#include <dlfcn.h>

#include <cstddef>

namespace ripieno::kernels::cuda {
namespace {

// Before 9.16 the backward requires padding if time is not a multiple of 128. Another major version
// may have other functions.
constexpr std::size_t kOldest = 91600, kBelow = 100000;

std::string to_text(std::size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

void* open_any(const LibraryLoader& loader) {
  // The toolkit's library first: the build was tested with it.
  for (const char* name : {RIPIENO_CUDNN_FILE, "libcudnn.so.9"}) {
    if (void* library = loader.open(name)) return library;
  }
  return nullptr;
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

}  // namespace

CudnnLibrary open_cudnn(const LibraryLoader& loader) {
  const std::string required = "requires 9.16 or a later 9.x";
  CudnnLibrary cudnn;
  void* const library = open_any(loader);
  if (!library) {
    cudnn.description = "cuDNN: no libcudnn.so.9, " + required;
    return cudnn;
  }
  const bool all = take_functions(cudnn.functions, loader, library);
  const std::size_t version = cudnn.functions.version ? cudnn.functions.version() : 0;
  if (version < kOldest || version >= kBelow) {
    cudnn.description = "cuDNN " + to_text(version) + " found, " + required;
  } else if (!all) {
    cudnn.description = "cuDNN " + to_text(version) + " lacks functions of its graph interface";
  } else {
    cudnn.description = "cuDNN " + to_text(version);
    cudnn.found = true;
  }
  return cudnn;
}

const CudnnLibrary& cudnn() {
  // Never closed, because it may be unloaded first at exit.
  static const auto& library = *new CudnnLibrary(
      open_cudnn({[](const char* name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); },
                  [](void* opened, const char* name) { return dlsym(opened, name); }}));
  return library;
}

}  // namespace ripieno::kernels::cuda
