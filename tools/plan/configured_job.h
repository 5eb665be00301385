// The job that a configuration describes, read as the training programs read it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/tools/plan/job.h"
#include "ripieno/training/configuration.h"
#include "ripieno/training/models/model_settings.h"
#include "ripieno/training/settings/settings.h"
#include "ripieno/training/settings/token_data_settings.h"

namespace ripieno::tools::plan {

// Sizes that follow from the data, for a plan without it; 0: from the data.
struct GivenSizes {
  int64_t vocabulary = 0, features = 0, classes = 0;
};

class ConfiguredJob {
 public:
  // `assignments`: those of --set, in order. Throws ConfigurationError if the configuration is
  // invalid, has no model.kind, or needs data that does not exist; DataError if that is damaged.
  ConfiguredJob(const std::string& path, const std::vector<std::string>& assignments,
                const GivenSizes& given);
  ConfiguredJob(const ConfiguredJob&) = delete;
  ConfiguredJob& operator=(const ConfiguredJob&) = delete;

  const Job& job() const { return job_; }
  const ModelSettings& model() const { return *model_; }
  const TrainingOptions& options() const { return options_; }
  const DataShape& data() const { return data_; }
  // A short description of what is planned, for the output.
  const std::string& kind() const { return kind_; }

 private:
  void bind(Settings& settings);
  std::string data_path() const;
  void read_data(const GivenSizes& given);
  void read_tokens();
  void fill_job(Settings& settings);

  std::string kind_;
  std::unique_ptr<ModelSettings> model_;
  TrainingOptions options_;
  TokenDataSettings tokens_;  // of a GPT
  std::string images_;        // of the other kinds
  DataShape data_;
  int64_t held_out_tokens_ = 0;
  Job job_;
};

}  // namespace ripieno::tools::plan
