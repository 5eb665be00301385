#include "ripieno/training/run/run_record.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "ripieno/core/random.h"
#include "ripieno/kernels/attention_library.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/places.h"
#include "ripieno/training/metrics/alert_rule.h"
#include "ripieno/training/provenance/container.h"
#include "ripieno/training/provenance/git_state.h"
#include "ripieno/training/provenance/libraries.h"
#include "ripieno/training/provenance/safe_environment.h"
#include "ripieno/training/session/build_facts.h"
#include "ripieno/training/session/build_identity.h"
#include "ripieno/training/settings/environment.h"

namespace ripieno {
namespace {

std::string utc_time() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
}

nlohmann::json build() {
  const BuildIdentity identity = build_identity();
  return {{"compiler", __VERSION__},          {"cuda", kernels::kHasCuda},
          {"type", build_facts().build_type}, {"cpu_level", build_facts().cpu_level},
          {"id", identity.program},           {"kernels_id", identity.kernels}};
}

nlohmann::json git_of(const std::string& directory) {
  const auto state = directory.empty() ? std::nullopt : git_state(directory);
  if (!state) return {};
  return {{"commit", state->commit}, {"branch", state->branch}, {"dirty", state->is_dirty}};
}

// What ran, and where, so that it can be repeated.
void add_provenance(const Session& session, const RunOptions& options, nlohmann::json& record) {
  std::error_code error;  // the directory may have been removed
  const std::string directory = std::filesystem::current_path(error);
  record["directory"] = directory;
  record["program"] = std::filesystem::read_symlink("/proc/self/exe", error).string();
  record["git"] = git_of(directory);
  record["libraries"] = library_versions();
  if (session.uses_nccl()) record["libraries"]["NCCL"] = session.communication();
  record["environment"] = safe_environment(environ);
  if (const auto container = container_facts(); !container.empty()) record["container"] = container;
  if (options.settings) record["origins"] = options.settings->origins();
}

nlohmann::json buckets_of(const distributed::DataParallel& parallel) {
  const distributed::BucketSize& size = parallel.bucket_size();
  return {{"bucket_bytes", size.bytes},
          {"buckets", parallel.buckets()},
          {"link_bytes_per_s",
           size.link_bytes_per_s > 0 ? nlohmann::json(size.link_bytes_per_s) : nlohmann::json()},
          {"how", size.how}};
}

// Of rank 0; that of other ranks differs by at most the rounding of a bucket.
nlohmann::json memory_of(const distributed::MemoryReport& report) {
  nlohmann::json lines = nlohmann::json::array();
  for (const auto& line : report.lines) {
    lines.push_back({{"what", line.what},
                     {"bytes", line.bytes},
                     {"bytes_per_parameter", report.per_parameter(line.bytes)},
                     {"transient", line.is_transient}});
  }
  const int64_t persistent = report.persistent_bytes();
  return {{"parameters", report.parameters},
          {"persistent_bytes", persistent},
          {"persistent_bytes_per_parameter", report.per_parameter(persistent)},
          {"lines", lines}};
}

// What the report needs to know of the machines; empty unless the environment says it.
nlohmann::json cost_of_environment() {
  nlohmann::json cost = nlohmann::json::object();
  for (const auto& [name, variable] : {std::pair{"usd_per_rank_hour", kUsdPerRankHour},
                                       std::pair{"usd_per_host_hour", kUsdPerHostHour},
                                       std::pair{"peak_tflops_per_rank", kPeakTflops}}) {
    if (const auto value = positive_number_of_environment(variable)) cost[name] = *value;
  }
  return cost;
}

}  // namespace

nlohmann::json start_record(const Session& session, const io::Loader& loader,
                            const RunOptions& options, const std::string& resumed_from) {
  nlohmann::json record = {
      {"started_at", utc_time()},
      {"version", build_facts().version},
      {"build", build()},
      {"command", without_alert_commands(session.command())},
      {"seed", random_context().seed},
      {"world_size", session.size()},
      {"hosts", session.hosts()},
      {"devices", session.devices()},
      {"threads", {{"count", kernels::cpu_threads()}, {"source", session.threads_source()}}},
      {"data_fingerprint", loader.fingerprint()},
      {"configuration", configuration_of(options)}};
  record["resumed_from"] = resumed_from.empty() ? nlohmann::json() : nlohmann::json(resumed_from);
  record["cost"] = cost_of_environment();
  add_provenance(session, options, record);
  if (session.device().is_cuda()) {
    record["attention"] = kernels::attention_library();
    record["products"] = kernels::matmul_library();
  }
  if (options.parallel) {
    record["parallel"] = buckets_of(*options.parallel);
    record["memory"] = memory_of(options.parallel->memory_report());
  }
  return record;
}

nlohmann::json progress_record(const StartProgress& progress, const io::Loader& loader,
                               const RunTimes& times) {
  return {{"at", utc_time()},
          {"first_step", progress.first_step},
          {"step", progress.step},
          {std::string(loader.unit()), progress.samples * loader.units_per_sample()},
          {"skipped_steps", progress.skipped_steps},
          {"rollbacks", progress.rollbacks},
          {"skipped_data", progress.skipped_data},
          {"stopped_early", progress.stopped_early},
          {"seconds", times.record()}};
}

nlohmann::json configuration_of(const RunOptions& options) {
  nlohmann::json configuration =
      options.settings ? options.settings->values() : nlohmann::json::object();
  if (const nlohmann::json::json_pointer rules("/alerts/rules"); configuration.contains(rules)) {
    for (auto& rule : configuration[rules]) rule = without_command(rule.get<std::string>());
  }
  for (const auto& [name, value] : options.hyperparameters) {
    auto& recorded = configuration["hyperparameters"][name];
    std::visit([&](const auto& of_type) { recorded = of_type; }, value);
  }
  return configuration;
}

}  // namespace ripieno
