#include "ripieno/tools/doctor/examine.h"

#include <fmt/format.h>

#include <future>
#include <iterator>

#include "ripieno/core/error.h"
#include "ripieno/tools/doctor/checks/checks.h"
#include "ripieno/tools/doctor/configuration.h"
#include "ripieno/tools/launch/mpirun/hosts.h"

namespace ripieno::tools::doctor {
namespace {

constexpr double kStorageSeconds = 8, kDataSeconds = 9;

std::vector<std::string> names_to_resolve(const std::string& host_file) {
  std::vector<std::string> names;
  if (host_file.empty()) return names;
  const auto none = [](const std::string&) { return std::optional<std::string>(); };
  for (const auto& host : find_hosts(host_file, none)) names.push_back(host.name);
  return names;
}

void examine_data(const DoctorOptions& options, LocalFacts& facts) {
  std::optional<DoctorConfiguration> configuration;
  if (!options.configuration.empty()) {
    try {
      configuration = read_configuration(options.configuration);
      facts.model_vocabulary = configuration->model_vocabulary;
    } catch (const Error& error) {
      facts.configuration_failure = error.what();
    }
  }
  TokenDataSettings data = configuration ? configuration->data : TokenDataSettings();
  if (!options.data.empty()) data.paths = {options.data};
  if (data.paths.empty()) return;
  facts.data = probe_data(data, kDataSeconds);
  if (!configuration || facts.data->state != DataFacts::State::readable) return;
  try {
    facts.needed_bytes = 2 * checkpoint_bytes(*configuration, {.vocabulary = facts.data->vocabulary,
                                                               .features = facts.data->features,
                                                               .classes = facts.data->classes,
                                                               .channels = facts.data->channels,
                                                               .height = facts.data->height,
                                                               .width = facts.data->width});
  } catch (const Error& error) {  // reported by check_data() if it is the vocabulary
    if (facts.data->vocabulary <= facts.model_vocabulary || facts.model_vocabulary == 0)
      facts.configuration_failure = error.what();
  }
}

void append(std::vector<Finding>& to, std::vector<Finding> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

std::string storage_directory(const DoctorOptions& options) {
  if (!options.run_directory.empty()) return options.run_directory;
  return options.configuration.empty() ? "." : run_directory_for(options.configuration);
}

LocalFacts examine_here(const DoctorOptions& options, bool examines_files) {
  LocalFacts facts;
  const auto names = names_to_resolve(options.host_file);
  auto host = std::async(std::launch::async, [&] { return read_host_facts(names); });
  auto storage = std::async(std::launch::async, [&] {
    auto& files = io::local_files();
    const std::string directory = storage_directory(options);
    return examines_files ? probe_storage(files, directory, kStorageSeconds)
                          : find_storage(files, directory, kStorageSeconds);
  });
  if (examines_files) examine_data(options, facts);
  facts.storage = storage.get();
  facts.host = host.get();
  return facts;
}

std::vector<Finding> findings_of(const LocalFacts& facts) {
  auto findings = check_host(facts.host);
  append(findings, check_storage(facts.storage, facts.host.host, facts.needed_bytes));
  if (!facts.configuration_failure.empty()) {
    findings.push_back(
        found("configuration", kBadConfiguration, facts.configuration_failure, facts.host.host));
  }
  if (facts.data) {
    append(findings, check_data(*facts.data, facts.host.host, facts.model_vocabulary));
  } else {
    findings.push_back(not_checked("data", facts.configuration_failure.empty()
                                               ? "no file is given; pass CONFIG or --data FILE"
                                               : "the configuration cannot be read"));
  }
  return findings;
}

}  // namespace ripieno::tools::doctor
