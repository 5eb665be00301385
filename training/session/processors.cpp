#include "ripieno/training/session/processors.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

namespace fs = std::filesystem;

// The limit of one group in processors; empty if it has none.
std::optional<double> limit_of(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream both(group / "cpu.max");  // "200000 100000", or "max 100000"
  if (!(both >> quota >> period)) {
    std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
    if (!(quota_file >> quota) || !(period_file >> period)) return std::nullopt;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// Lowers `quota` to the lowest limit of the group root / path and its ancestors up to the root.
void lower(CpuQuota& quota, const fs::path& root, fs::path path) {
  for (;; path = path.parent_path()) {
    const auto limit = limit_of(root / path.relative_path());
    if (limit && (!quota.processors || *limit < *quota.processors)) {
      quota = {.group = path.string(), .processors = limit};
    }
    if (!path.has_relative_path()) return;
  }
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::optional<int> threads_of_environment() {
  const char* const text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view list = text, first = trimmed(list.substr(0, list.find(',')));
  int threads = 0;
  const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), threads);
  if (error == std::errc() && end == first.data() + first.size() && threads >= 1 &&
      threads <= CPU_SETSIZE) {
    return threads;
  }
  throw ConfigurationError(
      fmt::format("OMP_NUM_THREADS must be a number of threads from 1 to {}, or a list that begins "
                  "with one, got \"{}\"; set it to a whole number or unset it",
                  CPU_SETSIZE, list));
}

CpuQuota cpu_quota(const fs::path& membership, const fs::path& root) {
  CpuQuota quota;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // "ID:CONTROLLERS:/PATH"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_cpu = ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (controllers.empty()) {
      lower(quota, root, line.substr(second + 1));
    } else if (is_cpu) {
      lower(quota, root / controllers, line.substr(second + 1));
    }
  }
  return quota;
}

Affinity affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) CPU_SET(0, &set);
  Affinity found{.count = CPU_COUNT(&set), .list = ""};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    found.list += fmt::format("{} ", cpu);
    found.processors.push_back(cpu);
  }
  return found;
}

CpuShare cpu_share(const Affinity& affinity, int64_t on_affinity, const CpuQuota& quota,
                   int64_t on_quota) {
  const double processors = static_cast<double>(affinity.count) / static_cast<double>(on_affinity);
  const double time = quota.processors.value_or(affinity.count) / static_cast<double>(on_quota);
  const bool is_limited = quota.processors && time < processors;
  return {std::max(1, static_cast<int>(is_limited ? time : processors)),
          is_limited ? "the control group's quota" : "affinity"};
}

}  // namespace ripieno
