#include <fmt/format.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <sstream>
#include <string_view>

#include "ripieno/core/host_name.h"
#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"
#include "ripieno/kernels/attention_library.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/tools/doctor/host_facts.h"
#include "ripieno/tools/doctor/program_output.h"
#include "ripieno/tools/doctor/within.h"
#include "ripieno/training/watch/process_facts.h"

namespace ripieno::tools::doctor {
namespace {

constexpr double kProgramSeconds = 4, kResolverSeconds = 4;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<int64_t> limit(__rlimit_resource resource) {
  rlimit found = {};
  if (::getrlimit(resource, &found) != 0 || found.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return static_cast<int64_t>(found.rlim_cur);
}

std::optional<Space> space_of(const char* path) {
  struct statvfs space;
  if (::statvfs(path, &space) != 0) return std::nullopt;
  const auto unit = static_cast<int64_t>(space.f_frsize);
  return Space{static_cast<int64_t>(space.f_blocks) * unit,
               static_cast<int64_t>(space.f_bavail) * unit};
}

LimitFacts read_limits() {
  LimitFacts limits;
  std::error_code ignored;
  limits.shared_memory = space_of("/dev/shm");
  limits.locked_memory_bytes = limit(RLIMIT_MEMLOCK);
  limits.has_rdma = std::filesystem::exists("/sys/class/infiniband", ignored) &&
                    !std::filesystem::is_empty("/sys/class/infiniband", ignored);
  limits.open_files = limit(RLIMIT_NOFILE);
  limits.affinity = affinity();
  // Bound to a core by mpirun, a rank does not see what the ranks of its host share.
  if (!variable("OMPI_MCA_orte_bound_at_launch").empty())
    limits.affinity = {.count = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)), .list = ""};
  limits.quota = cpu_quota();
  limits.threads = threads_of_environment();
  limits.yields_when_idle = variable("OMPI_MCA_mpi_yield_when_idle") == "1";
  const auto process = watch::ProcessFacts().read();
  limits.memory_bytes = process.group_limit_bytes;
  limits.available_bytes = process.host_available_bytes.value_or(0);
  if (process.group_limit_bytes) {
    limits.available_bytes = std::min(limits.available_bytes,
                                      *process.group_limit_bytes - process.group_bytes.value_or(0));
  }
  return limits;
}

ResolvedName resolve(const std::string& name) {
  const auto address = within<uint32_t>(kResolverSeconds, [name] {
    return addresses_of({Host{name, 1}})[0];
  });
  if (!address) return {name, ResolvedName::State::no_answer};
  return {name, *address == 0 ? ResolvedName::State::unknown : ResolvedName::State::found,
          *address};
}

// At the same time, so that a resolver that does not answer costs its limit once.
std::vector<ResolvedName> resolve_all(const std::vector<std::string>& names) {
  std::vector<std::future<ResolvedName>> pending;
  for (const auto& name : names) pending.push_back(std::async(std::launch::async, resolve, name));
  std::vector<ResolvedName> resolved;
  for (auto& result : pending) resolved.push_back(result.get());
  return resolved;
}

// "0, NVIDIA H100, 0, Not Active, Active" as nvidia-smi prints it; fields that a GPU does not have
// are "[N/A]".
std::optional<GpuState> gpu_in(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in >> std::ws, field, ',');) fields.push_back(field);
  if (fields.size() < 5) return std::nullopt;
  const auto number = [](const std::string& text) {
    int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  return GpuState{
      .index = static_cast<int>(number(fields[0])),
      .name = fields[1],
      .memory_errors = number(fields[2]),
      .is_throttled = fields[3].starts_with("Active") || fields[4].starts_with("Active")};
}

std::optional<GpuFacts::Tool> ask_nvidia_smi() {
  const auto output = program_output(
      {"nvidia-smi",
       "--query-gpu=index,name,ecc.errors.uncorrected.volatile.total,"
       "clocks_throttle_reasons.hw_slowdown,clocks_throttle_reasons.sw_thermal_slowdown",
       "--format=csv,noheader,nounits"},
      kProgramSeconds);
  if (!output) return GpuFacts::Tool{.failure = "nvidia-smi did not answer within 4 s"};
  if (output->status == 127) return std::nullopt;
  GpuFacts::Tool tool;
  if (output->status != 0)
    tool.failure = fmt::format("nvidia-smi ended with status {}", output->status);
  std::istringstream lines(output->text);
  for (std::string line; std::getline(lines, line);) {
    if (const auto gpu = gpu_in(line)) tool.gpus.push_back(*gpu);
  }
  return tool;
}

GpuFacts read_gpus() {
  GpuFacts gpu;
  gpu.count = kernels::cuda::device_count();
  gpu.description = kernels::cuda::describe();
  gpu.unusable = kernels::cuda::describe_unusable();
  gpu.has_nccl = distributed::has_nccl();
  gpu.nccl = distributed::describe_nccl();
  gpu.cudnn = kernels::attention_library();
  gpu.has_cudnn = kernels::attention_library_is_used();
  return gpu;
}

NetworkFacts read_network() {
  return {.interfaces = interfaces_of_this_host(),
          .mpi_include = variable("OMPI_MCA_btl_tcp_if_include"),
          .mpi_exclude = variable("OMPI_MCA_btl_tcp_if_exclude"),
          .nccl = variable("NCCL_SOCKET_IFNAME")};
}

// That of the mpirun that started this rank if it is on this host, else of the one in PATH.
std::string launcher_version() {
  const auto output = program_output({"mpirun", "--version"}, kProgramSeconds);
  if (!output || output->status == 127) return "";
  return output->text.substr(0, output->text.find('\n'));
}

}  // namespace

HostFacts read_host_facts(const std::vector<std::string>& names) {
  HostFacts facts;
  facts.host = host_name();
  std::vector<std::string> all = {facts.host};
  all.insert(all.end(), names.begin(), names.end());
  auto tool = std::async(std::launch::async, ask_nvidia_smi);
  auto launcher = std::async(std::launch::async, launcher_version);
  auto resolved = std::async(std::launch::async, [&] { return resolve_all(all); });
  const auto gpu = within<GpuFacts>(kProgramSeconds, read_gpus);
  facts.gpu = gpu.value_or(GpuFacts{.unusable = "the CUDA driver did not answer within 4 s"});
  facts.limits = read_limits();
  facts.network = read_network();
  facts.mpi = {.library = distributed::mpi_library(),
               .launcher = launcher.get(),
               .launched = distributed::launched_size()};
  facts.gpu.tool = tool.get();
  facts.names = resolved.get();
  return facts;
}

}  // namespace ripieno::tools::doctor
