// Trains a GPT on a text, with or without mpirun: train_gpt --config examples/configs/gpt_char.toml
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "ripieno/io/files/file_system.h"
#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Settings {
  TrainingProgram program;
  GptSettings model;
  std::string path;
  std::string tokenizer = "characters";
  io::TokenLoaderOptions data;

  Settings() {
    ripieno::Settings& table = program.settings;
    model.bind(table);
    table.add("data.path", &path, "path of the text file or token file to train on; required");
    table.add("data.tokenizer", &tokenizer,
              "how a text file is split into tokens (not used for token files): characters, bytes, "
              "or the path of a tokenizer.json, vocab.json or .tiktoken file");
    table.add(
        "data.validation_fraction", &data.validation_fraction,
        "fraction of the data held out for validation, taken from its end; 0 disables validation",
        Accepts::between(0, 0.99));
    table.add(
        "data.sampling",
        choice(&data.sampling, {{"random", io::Sampling::random}, {"epoch", io::Sampling::epoch}}),
        "order of training sequences: at random positions, or each sequence once per epoch in "
        "random order");
  }
};

// Sets the kind of tokenizer, or its file.
void set_tokenizer(const std::string& name, io::TokenLoaderOptions& data) {
  if (name == "characters") {
    data.tokenizer = io::Tokenizer::Kind::characters;
  } else if (name == "bytes") {
    data.tokenizer = io::Tokenizer::Kind::bytes;
  } else if (io::local_files().exists(name)) {
    data.tokenizer_file = name;
  } else {
    throw ConfigurationError("data.tokenizer is " + name +
                             "; must be characters, bytes or the path of a tokenizer file");
  }
}

std::unique_ptr<TokenLoader> open_text(const Settings& settings, Session& session) {
  require_given("data.path", settings.path);
  io::TokenLoaderOptions data = settings.data;
  data.batch_size = settings.program.options.batch_size;
  data.context = settings.model.options.context;
  data.seed = settings.program.seed();
  set_tokenizer(settings.tokenizer, data);
  return std::make_unique<TokenLoader>(settings.path, data, session);
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
