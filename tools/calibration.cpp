#include "ripieno/tools/calibration.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/io/files/replace_file.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr int64_t kVersion = 1;
constexpr int64_t kMostCores = 1 << 20, kMostRanks = 1 << 24;

// A rate or a time: finite, at least 0.
double amount_member(const json& object, const char* name) {
  const json& value = io::member(object, name);
  if (value.is_number()) {
    const double amount = value.get<double>();
    if (std::isfinite(amount) && amount >= 0) return amount;
  }
  throw DataError(
      fmt::format("{} is {}; must be a number of at least 0", name, io::excerpt(value)));
}

int whole_member(const json& object, const char* name, int64_t least, int64_t most) {
  const int64_t value = io::count_member(object, name, most);
  if (value >= least) return static_cast<int>(value);
  throw DataError(fmt::format("{} is {}; must be at least {}", name, value, least));
}

Calibration::Products read_products(const json& object, const char* name) {
  const json& products = io::member(object, name);
  return {.f32 = amount_member(products, "f32"), .bf16 = amount_member(products, "bf16")};
}

json to_json(const Calibration::Products& products) {
  return {{"f32", products.f32}, {"bf16", products.bf16}};
}

Calibration::Link read_link(const json& object) {
  return {.ranks = whole_member(object, "ranks", 2, kMostRanks),
          .latency_seconds = amount_member(object, "latency_seconds"),
          .bytes_per_second = amount_member(object, "bytes_per_second")};
}

}  // namespace

std::string calibration_text(const Calibration& calibration) {
  json links = json::array();
  for (const auto& link : calibration.links) {
    links.push_back({{"ranks", link.ranks},
                     {"latency_seconds", link.latency_seconds},
                     {"bytes_per_second", link.bytes_per_second}});
  }
  const auto& storage = calibration.storage;
  const json object = {{"version", kVersion},
                       {"device", calibration.device},
                       {"host", calibration.host},
                       {"cores", calibration.cores},
                       {"gflops", to_json(calibration.gflops)},
                       {"gflops_of_one_core", to_json(calibration.gflops_of_one_core)},
                       {"memory_gb_per_second", calibration.memory_gb_per_second},
                       {"links", links},
                       {"storage",
                        {{"write_bytes_per_second", storage.write_bytes_per_second},
                         {"read_bytes_per_second", storage.read_bytes_per_second}}}};
  return object.dump(2, ' ', true, json::error_handler_t::replace);
}

Calibration parse_calibration(std::string_view text) {
  const json object = io::parse_json(text);
  const int64_t version = io::count_member(object, "version");
  if (version != kVersion) {
    throw DataError(fmt::format(
        "version is {}; must be {}; measure again with ripieno doctor --calibration FILE", version,
        kVersion));
  }
  Calibration calibration;
  calibration.device = io::text_member(object, "device");
  calibration.host = io::text_member(object, "host");
  calibration.cores = whole_member(object, "cores", 1, kMostCores);
  calibration.gflops = read_products(object, "gflops");
  if (object.contains("gflops_of_one_core"))
    calibration.gflops_of_one_core = read_products(object, "gflops_of_one_core");
  calibration.memory_gb_per_second = amount_member(object, "memory_gb_per_second");
  io::for_each_in(object, "links",
                  [&](const json& link) { calibration.links.push_back(read_link(link)); });
  const json& storage = io::member(object, "storage");
  calibration.storage = {.write_bytes_per_second = amount_member(storage, "write_bytes_per_second"),
                         .read_bytes_per_second = amount_member(storage, "read_bytes_per_second")};
  return calibration;
}

void write_calibration(io::FileSystem& files, const std::string& path,
                       const Calibration& calibration) {
  io::replace_file(files, path, calibration_text(calibration) + "\n");
}

Calibration read_calibration(const io::FileSystem& files, const std::string& path) {
  if (!files.exists(path)) {
    throw ConfigurationError(fmt::format(
        "{}: no such calibration file; ripieno doctor --calibration FILE writes one", path));
  }
  try {
    return parse_calibration(io::read_file(files, path));
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: not a calibration: {}", path, error.what()));
  }
}

}  // namespace ripieno::tools
