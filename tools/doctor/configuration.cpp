#include "ripieno/tools/doctor/configuration.h"

#include <algorithm>
#include <exception>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/training/configuration.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/model_kinds.h"

namespace ripieno::tools::doctor {
namespace {

// The keys of the section data that our programs have.
struct DataKeys {
  std::string path, tokenizer = "characters", sampling = "random";
  double validation_fraction = 0.1;

  void bind(Settings& settings) {
    settings.add("data.path", &path, "path of the data");
    settings.add("data.tokenizer", &tokenizer, "how a text file is split into tokens");
    settings.add("data.validation_fraction", &validation_fraction, "fraction held out");
    settings.add("data.sampling", &sampling, "order of samples");
  }
};

// The configuration as one for a model of this kind.
DoctorConfiguration read_as(const std::string& kind, const std::string& path) {
  TrainingOptions options;
  DataKeys data;
  DoctorConfiguration configuration{.path = path};
  configuration.model = settings_of_model(kind);
  Settings settings;
  bind(settings, options);
  configuration.model->bind(settings);
  data.bind(settings);
  settings.read(path);
  configuration.data_path = data.path;
  configuration.tokenizer = data.tokenizer;
  configuration.precision = options.precision;
  if (const auto* gpt = dynamic_cast<const GptSettings*>(configuration.model.get()))
    configuration.model_vocabulary = gpt->options.vocab;
  return configuration;
}

}  // namespace

DoctorConfiguration read_configuration(const std::string& path) {
  std::exception_ptr cause;
  bool is_of_other_kind = true;
  for (const auto& kind : model_kinds()) {
    try {
      return read_as(kind, path);
    } catch (const ConfigurationError& error) {
      // If the configuration names another kind, what is wrong with that one is more helpful.
      if (is_of_other_kind) cause = std::current_exception();
      is_of_other_kind =
          is_of_other_kind && std::string(error.what()).find("model.kind") != std::string::npos;
    }
  }
  std::rethrow_exception(cause);
}

std::string run_directory_for(const std::string& path) {
  return "runs/" + std::filesystem::path(path).stem().string();
}

int64_t checkpoint_bytes(const DoctorConfiguration& configuration, const DataShape& data) {
  const auto module = configuration.model->build(data);
  const int64_t of_parameter = size_of(configuration.precision) == 2 ? 2 + 4 + 8 : 4 + 8;
  constexpr int64_t kMetadata = 4 << 20;
  return module->parameters().elements() * of_parameter + kMetadata;
}

}  // namespace ripieno::tools::doctor
