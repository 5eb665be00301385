// Trains a GPT on a text, with or without mpirun: train_gpt --config examples/configs/gpt_char.toml
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Settings {
  TrainingProgram program;
  GptSettings model;
  TokenDataSettings data;

  Settings() {
    model.bind(program.settings);
    data.bind(program.settings);
  }
};

std::unique_ptr<TokenLoader> open_data(const Settings& settings, Session& session) {
  const auto sources = settings.data.open();
  io::TokenLoaderOptions options = settings.data.loader;
  options.batch_size = settings.program.options.batch_size;
  options.context = settings.model.options.context;
  options.seed = settings.program.seed();
  if (!settings.data.validation_paths.empty()) options.validation = settings.data.open_validation();
  if (session.rank() == 0 && !settings.program.command.quiet) {
    for (const auto& source : sources)
      fmt::print("data       {}: {}, {} tokens\n", source.data.name(), source.data.format(),
                 source.data.size());
  }
  return std::make_unique<TokenLoader>(sources, options, session);
}

void take_step(const nn::Gpt& model, DataParallel& parallel, const io::Batch& batch) {
  parallel.backward(batch.inputs.size(0), [&](int64_t begin, int64_t end) {
    return model.loss(batch.inputs.slice(0, begin, end), batch.targets.slice(0, begin, end));
  });
  parallel.step();
}

int train(int argc, char** argv) {
  Settings settings;
  const TrainingProgram& program = settings.program;
  Session session(argc, argv);
  if (!settings.program.start(session, "Trains a GPT on a text.", stdout)) return 0;

  std::unique_ptr<TokenLoader> loader;
  session.together([&] { loader = open_data(settings, session); });
  nn::Gpt model(settings.model.options_for(loader->tokenizer().vocabulary_size()));
  model.to(session.device(), program.options.precision);
  const auto optimizer = program.make_optimizer(model.parameters());
  DataParallel parallel(model, *optimizer, session.communicator(), program.parallel_options());

  Run run(program.command.run_directory, session, model, *optimizer, *loader,
          program.run_options(parallel));
  run.keep_and_compare("tokenizer", loader->tokenizer().description());
  run.validate_with(
      [&](const io::Batch& batch) { return model.loss(batch.inputs, batch.targets); });
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
