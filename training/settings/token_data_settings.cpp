#include "ripieno/training/settings/token_data_settings.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/io/data/data_format.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno {

void TokenDataSettings::bind(Settings& settings) {
  settings.add(
      "data.path", &paths,
      "files with text or tokens to train on: a path, a folder, a pattern as \"part_*.bin\", "
      "or a list of them; required");
  settings.add("data.weights", &weights,
               "shares of the paths in a mixture, as [3, 1]: a whole number for each; [] reads all "
               "paths as one sequence",
               Accepts::at_least(1));
  settings.add("data.format", choice(&loader.data.format, io::data_formats()),
               "format of the files; auto recognizes all but nanogpt");
  settings.add("data.tokenizer", &tokenizer,
               "how texts are split into tokens: characters, bytes, or the path of a "
               "tokenizer.json, vocab.json or .tiktoken file, which is also the tokenizer of token "
               "files that do not name theirs");
  settings.add("data.vocabulary_size", &loader.data.vocabulary_size,
               "number of tokens in the vocabulary of token files that do not say it, if "
               "data.tokenizer is not their tokenizer; 0: unknown",
               Accepts::between(0, 2147483647));
  settings.add("data.text_field", &loader.data.text_field,
               "name of the field of JSON lines, or of the column of Parquet files, with the text");
  settings.add("data.content",
               choice(&loader.data.content, {{"text", io::TextContent::text},
                                             {"completion", io::TextContent::completion},
                                             {"messages", io::TextContent::messages}}),
               "what a line of JSON or a row of Parquet has: a text; a prompt and its completion, "
               "of which the loss counts the completion; or a list \"messages\" of objects with "
               "role and content (JSON lines only), of which the loss counts what the assistant "
               "says");
  settings.add("data.prompt_field", &loader.data.prompt_field,
               "name of the field or column with the prompt, for data.content=completion");
  settings.add("data.completion_field", &loader.data.completion_field,
               "name of the field or column with the completion, for data.content=completion");
  settings.add("data.on_error",
               choice(&loader.data.on_error,
                      {{"stop", io::OnDataError::stop}, {"skip", io::OnDataError::skip}}),
               "what happens if a document cannot be parsed or a training sequence cannot be read: "
               "stop ends the run, skip leaves it out and counts it (skipped_data in "
               "metrics.jsonl)");
  settings.add("data.validation_path", &validation_paths,
               "files to validate with, instead of a fraction of data.path; [] uses the fraction");
  settings.add(
      "data.validation_fraction", &loader.validation_fraction,
      "fraction of the data held out for validation, taken from its end; 0 disables validation",
      Accepts::between(0, 0.99));
  settings.add("data.documents",
               choice(&loader.documents,
                      {{"stream", io::Documents::stream}, {"separate", io::Documents::separate}}),
               "whether documents are one stream, or separate: attention and positions then stay "
               "within each document of a sequence");
  settings.add(
      "data.sampling",
      choice(&loader.sampling, {{"random", io::Sampling::random}, {"epoch", io::Sampling::epoch}}),
      "order of training sequences: at random positions, or each sequence once per epoch in "
      "random order");
}

io::TokenDataOptions TokenDataSettings::reading() const {
  io::TokenDataOptions options = loader.data;
  if (tokenizer == "characters") {
    options.tokenizer = io::Tokenizer::Kind::characters;
  } else if (tokenizer == "bytes") {
    options.tokenizer = io::Tokenizer::Kind::bytes;
  } else if (io::local_files().exists(tokenizer)) {
    options.tokenizer_file = tokenizer;
  } else {
    throw ConfigurationError("data.tokenizer is " + tokenizer +
                             "; must be characters, bytes or the path of a tokenizer file");
  }
  return options;
}

std::vector<io::WeightedTokens> TokenDataSettings::open() const {
  require_given("data.path", paths.empty() ? "" : paths.front());
  const auto options = reading();
  if (weights.empty()) return {{io::TokenData::load(paths, options)}};
  if (weights.size() != paths.size()) {
    throw ConfigurationError(
        fmt::format("data.weights: {} given, but data.path has {}; give one weight for each path",
                    weights.size(), paths.size()));
  }
  std::vector<io::WeightedTokens> sources;
  for (std::size_t i = 0; i < paths.size(); ++i)
    sources.push_back({io::TokenData::load(paths[i], options), weights[i]});
  return sources;
}

}  // namespace ripieno
