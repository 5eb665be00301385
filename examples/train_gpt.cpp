// Trains a GPT on a text, alone or under mpirun: train_gpt --config examples/configs/gpt_char.toml
#include <memory>
#include <nlohmann/json.hpp>

#include "gpt_settings.h"
#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Settings {
  TrainingProgram program;
  examples::GptSettings gpt;
  examples::TextSettings text;

  Settings() {
    bind(program.settings, gpt);
    bind(program.settings, text);
  }
};

std::unique_ptr<TokenLoader> open_text(const Settings& settings, Session& session) {
  const auto& text = settings.text;
  require_given("data.path", text.path);
  return std::make_unique<TokenLoader>(
      text.path,
      io::TokenLoaderOptions{.batch_size = settings.program.train.batch_size,
                             .context = settings.gpt.model.context,
                             .seed = settings.program.seed(),
                             .sampling = io::sampling_named(text.sampling),
                             .validation_fraction = text.validation_fraction,
                             .tokenizer = io::tokenizer_kind_named(text.tokenizer)},
      session);
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
  session.together([&] { loader = open_text(settings, session); });
  nn::Gpt model(model_options(settings.gpt, loader->tokenizer().vocabulary_size()));
  model.to(session.device(), program.precision());
  const auto optimizer = program.make_optimizer(model.parameters());
  DataParallel parallel(model, *optimizer, session.communicator(), program.parallel_options());

  Run run(program.command.run_directory, session, model, *optimizer, *loader,
          program.run_options(parallel));
  run.keep_and_compare("tokenizer", loader->tokenizer().description());
  run.validate_with(
      [&](const io::Batch& batch) { return model.loss(batch.inputs, batch.targets); });
  while (const auto batch = run.next()) {
    take_step(model, parallel, *batch);
    run.log();
  }
  return run.exit_status();
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return train(argc, argv); });
}
