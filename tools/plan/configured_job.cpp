#include "ripieno/tools/plan/configured_job.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/distributed/strategies/make_strategy.h"
#include "ripieno/io/data/image_data.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/models/image_model_settings.h"
#include "ripieno/training/models/model_kinds.h"

namespace ripieno::tools::plan {
namespace {

std::string kind_of(const std::string& path, const std::vector<std::string>& assignments) {
  std::string kind = string_in_file(path, "model.kind");
  constexpr std::string_view kKey = "model.kind=";
  for (const std::string& assignment : assignments) {
    if (!assignment.starts_with(kKey)) continue;
    kind = assignment.substr(kKey.size());
    std::erase(kind, '"');
  }
  if (!kind.empty()) return kind;
  throw ConfigurationError(
      fmt::format("{}: model.kind is not set but required to plan; set it in the file or by --set "
                  "model.kind=KIND, one of {}",
                  path, fmt::join(model_kinds(), ", ")));
}

// Whether there is something to read: a pattern is not a file.
bool may_exist(const std::string& path) {
  return !path.empty() &&
         (path.find_first_of("*?[") != std::string::npos || io::local_files().exists(path));
}

int default_slots(int64_t batch_size) {
  int slots = 8;
  while (batch_size % slots != 0) --slots;
  return slots;
}

}  // namespace

ConfiguredJob::ConfiguredJob(const std::string& path, const std::vector<std::string>& assignments,
                             const GivenSizes& given)
    : kind_(kind_of(path, assignments)), model_(settings_of_model(kind_)) {
  Settings settings;
  bind(settings);
  settings.read(path);
  for (const std::string& assignment : assignments) settings.set(assignment);
  read_data(given);
  fill_job(settings);
}

// The keys of train_gpt and train_image_classifier.
void ConfiguredJob::bind(Settings& settings) {
  ripieno::bind(settings, options_);
  model_->bind(settings);
  if (model_->reads_tokens()) {
    tokens_.bind(settings);
  } else {
    settings.add("data.path", &images_, "path of the data");
  }
}

std::string ConfiguredJob::data_path() const {
  if (!model_->reads_tokens()) return images_;
  return tokens_.paths.empty() ? "" : tokens_.paths.front();
}

void ConfiguredJob::read_data(const GivenSizes& given) {
  data_ = {given.vocabulary, given.features, given.classes};
  if (!may_exist(data_path()) || given.vocabulary > 0 || given.features > 0) return;
  if (model_->reads_tokens()) {
    read_tokens();
    return;
  }
  const io::ImageData images = io::ImageData::read(images_);
  if (images.size() > 0) data_ = data_shape_of(images.images, images.classes());
}

void ConfiguredJob::read_tokens() {
  int64_t tokens = 0;
  for (const auto& source : tokens_.open()) {
    data_.vocabulary = source.data.tokenizer().vocabulary_size();
    tokens += source.data.size();
  }
  if (tokens_.validation_paths.empty()) {
    held_out_tokens_ =
        static_cast<int64_t>(tokens_.loader.validation_fraction * static_cast<double>(tokens));
  } else {
    held_out_tokens_ = tokens_.open_validation().size();
  }
}

void ConfiguredJob::fill_job(Settings& settings) {
  const nlohmann::json values = settings.values();
  const bool has_vocabulary = !model_->reads_tokens() || data_.vocabulary > 0 ||
                              values["model"]["vocab"].get<int64_t>() > 0;
  const bool has_sizes = model_->reads_tokens() || (data_.features > 0 && data_.classes > 0);
  if (!has_vocabulary || !has_sizes) {
    throw ConfigurationError(
        fmt::format("data.path is \"{}\", which {}; the sizes of the model follow from the data: "
                    "set data.path, or give {}",
                    data_path(), may_exist(data_path()) ? "is empty" : "does not exist",
                    has_sizes ? "--vocabulary N" : "--features N and --classes N"));
  }
  const auto model = model_->build(data_);
  // In float32, whatever the precision: to() would allocate the parameters.
  const Parameters parameters = model->parameters();
  optim::OptimizerOptions optimizer_options = options_.optimizer;
  optimizer_options.scales_loss = options_.precision == DType::float16;
  const auto optimizer =
      optim::make_optimizer(options_.optimizer_kind, parameters, optimizer_options);

  job_.work = model_->work(data_);
  job_.layout = parameters.shared_layout();
  job_.parameters = parameters.elements();
  for (const auto& state : optimizer->state()) {
    if (state.name == "master") continue;
    const auto elements = static_cast<double>(state.arena->layout().elements());
    job_.state.push_back(
        {state.name, elements / static_cast<double>(parameters.layout().elements())});
  }
  job_.clips = options_.optimizer.max_gradient_norm > 0;
  job_.precision = options_.precision;
  job_.tf32 = options_.tf32;
  job_.parallel = options_.parallel;
  if (options_.strict)
    job_.parallel.slots = options_.slots.value_or(default_slots(options_.batch_size));
  distributed::check(job_.parallel);
  job_.batch_size = options_.batch_size;
  job_.steps = options_.schedule.steps;
  job_.checkpoint_every = options_.run.checkpoint_every;
  job_.evaluate_every = options_.run.evaluate_every;
  job_.threads = options_.threads;
  if (model_->reads_tokens()) job_.validation_samples = held_out_tokens_ / job_.work.units;
  if (values["train"].contains("recompute")) {
    const bool recomputes = values["train"]["recompute"] == "blocks";
    const std::string other = std::string("train.recompute=") + (recomputes ? "none" : "blocks");
    settings.set(other);
    job_.other_work = {{"--set " + other, model_->work(data_)}};
    settings.restore(values);
  }
}

}  // namespace ripieno::tools::plan
