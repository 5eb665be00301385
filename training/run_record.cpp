#include "ripieno/training/run_record.h"

#include <fmt/chrono.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "ripieno/core/random.h"
#include "ripieno/kernels/places.h"

namespace ripieno {
namespace {

std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
}

nlohmann::json build() { return {{"compiler", __VERSION__}, {"cuda", kernels::kHasCuda}}; }

}  // namespace

nlohmann::json start_record(const Session& session, const io::Loader& loader,
                            const Settings* settings, const std::string& resumed_from) {
  nlohmann::json record = {
      {"started_at", now()},
      {"version", RIPIENO_VERSION},
      {"build", build()},
      {"command", session.command()},
      {"seed", random_context().seed},
      {"world_size", session.size()},
      {"hosts", session.hosts()},
      {"devices", session.devices()},
      {"data_fingerprint", loader.fingerprint()},
      {"configuration", settings ? settings->values() : nlohmann::json::object()}};
  record["resumed_from"] = resumed_from.empty() ? nlohmann::json() : nlohmann::json(resumed_from);
  return record;
}

}  // namespace ripieno
