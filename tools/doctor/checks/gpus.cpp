#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "ripieno/tools/doctor/checks/checks.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kSubject = "GPUs";

using Version = std::array<int, 3>;
constexpr Version kFirstBadNccl = {2, 28, 3}, kLastBadNccl = {2, 28, 8};

// The version in "NCCL 2.28.9 from FILE".
std::optional<Version> version_in(const std::string& text) {
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string::npos) return std::nullopt;
  Version version = {};
  const char *at = text.data() + begin, *const end = text.data() + text.size();
  for (int& number : version) {
    const auto [rest, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return std::nullopt;
    at = rest + (rest < end && *rest == '.' ? 1 : 0);
  }
  return version;
}

void check_libraries(const HostFacts& facts, std::vector<Finding>& findings) {
  const auto& gpu = facts.gpu;
  const auto version = gpu.has_nccl ? version_in(gpu.nccl) : std::nullopt;
  if (version && *version >= kFirstBadNccl && *version <= kLastBadNccl)
    findings.push_back(found(kSubject, kBadNccl, gpu.nccl, facts.host));
  if (gpu.count == 0) return;
  if (!gpu.has_nccl && facts.ranks > 1)
    findings.push_back(found(kSubject, kNoLibrary, gpu.nccl, facts.host));
  if (!gpu.has_cudnn) findings.push_back(found(kSubject, kNoLibrary, gpu.cudnn, facts.host));
}

void check_states(const HostFacts& facts, std::vector<Finding>& findings) {
  if (!facts.gpu.tool) return;
  if (!facts.gpu.tool->failure.empty() && facts.gpu.count > 0)
    findings.push_back(found(kSubject, kGpuToolFailed, facts.gpu.tool->failure, facts.host));
  for (const auto& gpu : facts.gpu.tool->gpus) {
    const std::string name = fmt::format("GPU {} ({})", gpu.index, gpu.name);
    if (gpu.memory_errors > 0) {
      findings.push_back(found(
          kSubject, kMemoryErrors,
          fmt::format("{} has {} uncorrected memory errors", name, gpu.memory_errors), facts.host));
    }
    if (gpu.is_throttled) {
      findings.push_back(found(kSubject, kThrottled,
                               name + " is slowed down by its temperature or power supply",
                               facts.host));
    }
  }
}

}  // namespace

std::vector<Finding> check_gpus(const HostFacts& facts) {
  std::vector<Finding> findings;
  const auto& gpu = facts.gpu;
  if (!gpu.unusable.empty())
    findings.push_back(found(kSubject, kGpuUnusable, gpu.unusable, facts.host));
  if (gpu.count > 0 && facts.ranks_on_host > gpu.count) {
    findings.push_back(found(kSubject, kSharedGpus,
                             fmt::format("{} ranks share {} GPUs", facts.ranks_on_host, gpu.count),
                             facts.host));
  }
  check_libraries(facts, findings);
  check_states(facts, findings);
  if (gpu.count > 0 && !gpu.tool) {
    findings.push_back(
        not_checked(kSubject, "memory errors and clock rates: nvidia-smi is not in PATH"));
  }
  if (!findings.empty()) return findings;
  if (gpu.count == 0) return {ok(kSubject, gpu.description + "; the CPU is used")};
  return {ok(kSubject, fmt::format("{}; {}; {}", gpu.description, gpu.nccl, gpu.cudnn))};
}

}  // namespace ripieno::tools::doctor
