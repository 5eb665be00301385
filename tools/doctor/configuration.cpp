#include "ripieno/tools/doctor/configuration.h"

#include <algorithm>
#include <exception>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/training/models/language_model_settings.h"
#include "ripieno/training/models/model_kinds.h"
#include "ripieno/training/training_program.h"

namespace ripieno::tools::doctor {
namespace {

// The configuration as one for a model of this kind.
DoctorConfiguration read_as(const std::string& kind, const std::string& path) {
  TrainingProgram program;
  std::string images;
  DoctorConfiguration configuration{.path = path};
  configuration.model = settings_of_model(kind);
  Settings& settings = program.settings;
  bind(settings, program.options);
  configuration.model->bind(settings);
  const bool reads_tokens = configuration.model->reads_tokens();
  if (reads_tokens) {
    configuration.data.bind(settings);
  } else {
    settings.add("data.path", &images, "path of the data");
  }
  settings.read(path);
  program.check_settings();
  if (!reads_tokens && !images.empty()) configuration.data.paths = {images};
  configuration.precision = program.options.precision;
  configuration.data.loader.batch_size = program.options.batch_size;
  if (const auto* model = dynamic_cast<const LanguageModelSettings*>(configuration.model.get())) {
    configuration.model_vocabulary = model->vocab();
    configuration.data.loader.context = model->context();
  }
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
