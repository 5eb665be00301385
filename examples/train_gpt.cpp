// Trains a GPT on a text, with or without mpirun: train_gpt --config examples/configs/gpt_char.toml
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Settings {
  TrainingProgram program;
  GptSettings model;
  std::vector<std::string> paths;
  std::vector<int64_t> weights;
  std::vector<std::string> validation_paths;
  std::string tokenizer = "characters";
  io::TokenLoaderOptions data;

  Settings() {
    ripieno::Settings& table = program.settings;
    model.bind(table);
    table.add(
        "data.path", &paths,
        "files with text or tokens to train on: a path, a folder, a pattern as \"part_*.bin\", "
        "or a list of them; required");
    table.add("data.weights", &weights,
              "shares of the paths in a mixture, as [3, 1]: a whole number for each; [] reads all "
              "paths as one sequence",
              Accepts::at_least(1));
    table.add("data.format", choice(&data.data.format, io::data_formats()),
              "format of the files; auto recognizes all but nanogpt");
    table.add("data.tokenizer", &tokenizer,
              "how texts are split into tokens: characters, bytes, or the path of a "
              "tokenizer.json, vocab.json or .tiktoken file, which is also the tokenizer of token "
              "files that do not name theirs");
    table.add("data.vocabulary_size", &data.data.vocabulary_size,
              "number of tokens in the vocabulary of token files that do not say it, if "
              "data.tokenizer is not their tokenizer; 0: unknown",
              Accepts::between(0, 2147483647));
    table.add("data.text_field", &data.data.text_field, "name of the field of JSON lines to read");
    table.add("data.validation_path", &validation_paths,
              "files to validate with, instead of a fraction of data.path; [] uses the fraction");
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
void set_tokenizer(const std::string& name, io::TokenDataOptions& data) {
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

// The paths as one sequence, or a mixture of them.
std::vector<io::WeightedTokens> open_sources(const Settings& settings,
                                             const io::TokenDataOptions& options) {
  const auto& paths = settings.paths;
  const auto& weights = settings.weights;
  if (weights.empty()) return {{io::TokenData::load(paths, options)}};
  if (weights.size() != paths.size()) {
    throw ConfigurationError(fmt::format("data.weights has {} weights, but data.path has {} paths",
                                         weights.size(), paths.size()));
  }
  std::vector<io::WeightedTokens> sources;
  for (std::size_t i = 0; i < paths.size(); ++i)
    sources.push_back({io::TokenData::load(paths[i], options), weights[i]});
  return sources;
}

std::unique_ptr<TokenLoader> open_data(const Settings& settings, Session& session) {
  require_given("data.path", settings.paths.empty() ? "" : settings.paths.front());
  io::TokenLoaderOptions data = settings.data;
  data.batch_size = settings.program.options.batch_size;
  data.context = settings.model.options.context;
  data.seed = settings.program.seed();
  set_tokenizer(settings.tokenizer, data.data);
  const auto sources = open_sources(settings, data.data);
  if (!settings.validation_paths.empty())
    data.validation = io::TokenData::load(settings.validation_paths, data.data);
  if (session.rank() == 0 && !settings.program.command.quiet) {
    for (const auto& source : sources)
      fmt::print("data       {}: {}, {} tokens\n", source.data.name(), source.data.format(),
                 source.data.size());
  }
  return std::make_unique<TokenLoader>(sources, data, session);
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
