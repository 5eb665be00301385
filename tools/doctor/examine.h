// LocalFacts: everything that one rank finds out by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/tools/doctor/data.h"
#include "ripieno/tools/doctor/finding.h"
#include "ripieno/tools/doctor/host_facts.h"
#include "ripieno/tools/doctor/storage.h"

namespace ripieno::tools::doctor {

struct DoctorOptions {
  std::string configuration;  // a TOML file; empty: none
  std::string data;           // empty: that of the configuration
  std::string run_directory;  // empty: that of the configuration, or the current directory
  std::string host_file;      // hosts to resolve
  double link_gbits = 0;      // what the network should give; 0: unknown
  std::string exclude_file, calibration_file;
  bool as_json = false;
};

struct LocalFacts {
  HostFacts host = {};
  StorageFacts storage = {};
  std::optional<DataFacts> data = {};
  std::string configuration_failure = {};
  int64_t model_vocabulary = 0;
  int64_t needed_bytes = 0;  // for two checkpoints; 0: unknown
};

// The directory of `options` whose storage is examined.
std::string storage_directory(const DoctorOptions& options);

// Takes at most ten seconds. `examines_files`: false if another rank of this host examines storage
// and data. Throws ConfigurationError if the host file cannot be read.
LocalFacts examine_here(const DoctorOptions& options, bool examines_files = true);

std::vector<Finding> findings_of(const LocalFacts& facts);

}  // namespace ripieno::tools::doctor
