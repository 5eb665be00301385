#include "ripieno/distributed/communicators/nccl/nccl_library.h"

#include <fmt/format.h>
#include <nccl.h>

#include "ripieno/distributed/communicators/nccl/nccl.h"

namespace ripieno::distributed {
namespace {

// Older ones cannot be initialized without blocking. Another major version may have other types.
constexpr int kOldest = NCCL_VERSION(2, 14, 0), kBelow = NCCL_VERSION(3, 0, 0);

NcclLibrary inspect(const kernels::cuda::LibraryLoader& loader, void* library,
                    const std::string& place) {
  using GetVersion = decltype(&ncclGetVersion);
  const auto get = reinterpret_cast<GetVersion>(loader.symbol(library, "ncclGetVersion"));
  int version = 0;
  if (!get || get(&version) != ncclSuccess) version = 0;
  const std::string name =
      fmt::format("NCCL {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  if (version < kOldest || version >= kBelow) {
    return {.description =
                fmt::format("{} found in {}, requires 2.14 or a later 2.x", name, place)};
  }
  return {true, fmt::format("{} from {}", name, place), loader.symbol, library};
}

}  // namespace

NcclLibrary open_nccl(const kernels::cuda::LibraryLoader& loader,
                      const std::vector<std::string>& candidates) {
  NcclLibrary best;
  for (const std::string& candidate : candidates) {
    std::string why;
    void* const library = loader.open(candidate.c_str(), why);
    if (!library && candidate.find('/') == std::string::npos) continue;  // found nowhere
    NcclLibrary nccl{.description = "NCCL cannot be loaded: " + why};
    if (library) nccl = inspect(loader, library, candidate);
    if (nccl.found) return nccl;
    if (library) loader.close(library);
    if (best.description.empty()) best = nccl;
  }
  if (best.description.empty())
    best.description = "NCCL: no libnccl.so.2, requires 2.14 or a later 2.x";
  best.description += fmt::format("; {}", kernels::cuda::kHowToFindLibraries);
  return best;
}

const NcclLibrary& nccl_library() {
  // Never closed, because it may be unloaded first at exit.
  static const auto& library = *new NcclLibrary(
      open_nccl(kernels::cuda::system_loader(),
                kernels::cuda::candidates_of({"nccl", "libnccl.so.2", RIPIENO_NCCL_FILE})));
  return library;
}

bool has_nccl() { return nccl_library().found; }
std::string describe_nccl() { return nccl_library().description; }

}  // namespace ripieno::distributed
