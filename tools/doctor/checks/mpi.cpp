#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "ripieno/tools/doctor/checks/checks.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kSubject = "MPI";

// "4.1" of "Open MPI v4.1.4": releases of the same series work together.
std::string_view series_in(std::string_view text) {
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin);
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return text;
  const auto end = text.find_first_not_of("0123456789", dot + 1);
  return text.substr(0, std::min(end, text.size()));
}

bool is_open_mpi(std::string_view text) {
  return text.find("Open MPI") != std::string_view::npos ||
         text.find("OpenRTE") != std::string_view::npos;
}

bool fits(const MpiFacts& mpi) {
  return is_open_mpi(mpi.launcher) == is_open_mpi(mpi.library) &&
         (!is_open_mpi(mpi.library) || series_in(mpi.launcher) == series_in(mpi.library));
}

}  // namespace

std::vector<Finding> check_mpi(const HostFacts& facts) {
  const auto& mpi = facts.mpi;
  if (mpi.library == "none" && mpi.launched > 1) {
    return {found(kSubject, kOtherMpi,
                  fmt::format("mpirun started {} ranks of a program without MPI", mpi.launched),
                  facts.host, "build with -D RIPIENO_MPI=ON")};
  }
  if (mpi.library == "none") return {not_checked(kSubject, "this is a build without MPI")};
  if (mpi.launched > 1 && mpi.world == 1) {
    return {found(kSubject, kOtherMpi,
                  fmt::format("the launcher started {} ranks, but {} reports a world size of 1",
                              mpi.launched, mpi.library),
                  facts.host)};
  }
  std::vector<Finding> findings;
  if (mpi.launcher.empty()) {
    findings.push_back(found(kSubject, kNoLauncher, "mpirun is not in PATH", facts.host));
  } else if (!fits(mpi)) {
    findings.push_back(found(
        kSubject, kOtherMpi,
        fmt::format("mpirun in PATH is \"{}\", the program uses {}", mpi.launcher, mpi.library),
        facts.host));
  }
  if (!mpi.failure.empty()) findings.push_back(found(kSubject, kMpiFails, mpi.failure, facts.host));
  if (findings.empty())
    findings.push_back(ok(kSubject, fmt::format("{}, started by {}", mpi.library, mpi.launcher)));
  return findings;
}

}  // namespace ripieno::tools::doctor
