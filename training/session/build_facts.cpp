#include "ripieno/training/session/build_facts.h"

#include <fmt/format.h>

#include <string_view>

#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/training/session/build_identity.h"

namespace ripieno {
namespace {

// The level of a library outside glibc-hwcaps/, whose path does not contain it: the lowest one.
constexpr std::string_view kNoLevelInPath = "x86-64";

std::string mpi_in_use() {
  const std::string library = distributed::mpi_library();
  if (library == "none") return "without MPI";
  return library.substr(0, library.find('\n'));  // MPICH: several lines
}

std::string cpu_level_in_use() {
  const std::string level = build_identity().level;
  return level == kNoLevelInPath ? RIPIENO_LOWEST_CPU_LEVEL : level;
}

}  // namespace

BuildFacts build_facts() {
  const std::string build_type = RIPIENO_BUILD_TYPE;
  return {.version = RIPIENO_VERSION,
          .compiler = RIPIENO_COMPILER,
          .cuda = RIPIENO_CUDA_BUILD,
          .mpi = mpi_in_use(),
          .cpu_level = cpu_level_in_use(),
          .build_type = build_type.empty() ? "none" : build_type};
}

std::string version_text(const std::string& program) {
  const BuildFacts facts = build_facts();
  return fmt::format("{} {}\ncompiler: {}\n{}\n{}\nCPU level: {}\nbuild type: {}", program,
                     facts.version, facts.compiler, facts.cuda, facts.mpi, facts.cpu_level,
                     facts.build_type);
}

}  // namespace ripieno
