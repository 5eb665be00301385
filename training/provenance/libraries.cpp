#include "ripieno/training/provenance/libraries.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "ripieno/kernels/places.h"
#include "ripieno/training/session/build_facts.h"

namespace ripieno {
namespace {

// A function of a library that is already loaded; null if there is none. So no header of the
// library is needed, and the version is that of the file in use.
template <typename Function>
Function* loaded(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  auto* get = loaded<int(unsigned*, unsigned*, unsigned*)>("H5get_libversion");
  if (!get || get(&major, &minor, &release) < 0) return "";
  return fmt::format("{}.{}.{}", major, minor, release);
}

std::string onednn_version() {
  struct Version {
    int major, minor, patch;  // the first members of dnnl_version_t
  };
  auto* get = loaded<const Version*()>("dnnl_version");
  const Version* version = get ? get() : nullptr;
  return version ? fmt::format("{}.{}.{}", version->major, version->minor, version->patch) : "";
}

}  // namespace

std::map<std::string, std::string> library_versions() {
  const BuildFacts facts = build_facts();
  std::map<std::string, std::string> versions = {
      {"HDF5", hdf5_version()}, {"MPI", facts.mpi}, {"oneDNN", onednn_version()}};
  if (kernels::kHasCuda) versions["CUDA"] = facts.cuda;
  std::erase_if(versions, [](const auto& version) { return version.second.empty(); });
  return versions;
}

}  // namespace ripieno
