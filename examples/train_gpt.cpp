// Trains a GPT or, with model.kind=llama, a Llama on a text, with or without mpirun:
//   train_gpt --config examples/configs/gpt_char.toml
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/io/data/token_windows.h"
#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Settings {
  TrainingProgram program;
  std::unique_ptr<LanguageModelSettings> model;
  TokenDataSettings data;

  explicit Settings(const std::string& kind) : model(settings_of_language_model(kind)) {
    model->bind(program.settings);
    data.bind(program.settings);
  }
};

std::unique_ptr<TokenLoader> open_data(const Settings& settings, Session& session) {
  const auto sources = settings.data.open();
  io::TokenLoaderOptions options = settings.data.loader;
  options.batch_size = settings.program.options.batch_size;
  options.context = settings.model->context();
  options.seed = settings.program.seed();
  if (!settings.data.validation_paths.empty()) options.validation = settings.data.open_validation();
  if (session.rank() == 0 && !settings.program.command.quiet) {
    for (const auto& source : sources)
      fmt::print("data       {}: {}, {} tokens\n", source.data.name(), source.data.format(),
                 source.data.size());
  }
  return std::make_unique<TokenLoader>(sources, options, session);
}

// The documents of rows [begin, end); undefined tensors if the documents are one stream.
DocumentRanges documents_of(const io::Batch& batch, int64_t begin, int64_t end) {
  if (batch.extras.empty()) return {};
  const auto rows = [&](const char* name) { return batch.extra(name).slice(0, begin, end); };
  return {{.first = rows(io::kDocumentBegin)}, rows(io::kDocumentPosition)};
}

void take_step(const nn::LanguageModel& model, DataParallel& parallel, const io::Batch& batch) {
  parallel.backward(batch.inputs.size(0), [&](int64_t begin, int64_t end) {
    return model.loss(batch.inputs.slice(0, begin, end), batch.targets.slice(0, begin, end),
                      documents_of(batch, begin, end));
  });
  parallel.step();
}

int train(int argc, char** argv) {
  Session session(argc, argv);
  std::unique_ptr<Settings> chosen;
  session.together(
      [&] { chosen = std::make_unique<Settings>(kind_of_command(session.command(), "gpt")); });
  Settings& settings = *chosen;
  const TrainingProgram& program = settings.program;
  if (!settings.program.start(session, "Trains a GPT or a Llama on a text.", stdout)) return 0;

  std::unique_ptr<TokenLoader> loader;
  session.together([&] { loader = open_data(settings, session); });
  const auto built = settings.model->build_for(loader->tokenizer().vocabulary_size());
  nn::LanguageModel& model = *built;
  model.to(session.device(), program.options.precision);
  const auto optimizer = program.make_optimizer(model.parameters());
  DataParallel parallel(model, *optimizer, session.communicator(), program.parallel_options());

  RunOptions options = program.run_options(parallel);
  options.hyperparameters["tokenizer"] = loader->tokenizer().identity();
  Run run(program.command.run_directory, session, model, *optimizer, *loader, options);
  run.keep_and_compare("tokenizer", loader->tokenizer().description());
  run.validate_with([&](const io::Batch& batch) {
    return model.loss(batch.inputs, batch.targets, documents_of(batch, 0, batch.inputs.size(0)));
  });
  StepGraph graph(parallel, program.graph_options());
  while (const auto batch = run.next()) {
    graph.run(*batch, [&](const io::Batch& rows) { take_step(model, parallel, rows); });
    run.log();
  }
  return run.exit_status();
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return train(argc, argv); });
}
