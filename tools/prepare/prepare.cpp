#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "ripieno/io/data/tokenizer.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/prepare/preparation.h"
#include "ripieno/training/session/processors.h"
#include "ripieno/training/session/standard_streams.h"

namespace ripieno::tools {
namespace {

struct Options {
  PrepareOptions prepare;
  std::string tokenizer;
  std::string pattern;
  std::string format = "auto", content = "text", on_error = "stop";
  bool special_as_text = false;
  bool no_end_of_document = false;
};

std::string ending_of(const io::Tokenizer& tokenizer, const EncoderOptions& encoding) {
  if (!encoding.end_of_document) return "no token after each document";
  const int32_t token = *encoding.end_of_document;
  return fmt::format("token {} ({}) after each document", token, tokenizer.decode({&token, 1}));
}

void run(Options& options) {
  const auto tokenizer = io::Tokenizer::load(options.tokenizer, options.pattern);
  PrepareOptions& prepare_options = options.prepare;
  for (const auto& [name, format] : io::data_formats()) {
    if (name == options.format) prepare_options.format = format;
  }
  EncoderOptions& encoding = prepare_options.encoding;
  if (options.content == "completion") encoding.fields.content = io::TextContent::completion;
  if (options.content == "messages") encoding.fields.content = io::TextContent::messages;
  if (options.on_error == "skip") encoding.on_error = io::OnDataError::skip;
  if (options.special_as_text) encoding.special = io::SpecialTokens::as_text;
  if (!options.no_end_of_document) encoding.end_of_document = tokenizer.end_of_document();
  const Prepared prepared = prepare(prepare_options, tokenizer);
  if (prepare_options.quiet) return;
  fmt::print("{}: {} tokens\n", prepared.output, prepared.tokens);
  if (!prepared.validation_output.empty())
    fmt::print("{}: {} tokens\n", prepared.validation_output, prepared.validation_tokens);
  fmt::print("{} documents, {}; {}\n", prepared.documents, ending_of(tokenizer, encoding),
             prepared.speed);
  if (prepared.skipped > 0) {
    fmt::print("{} documents were left out (--on-error skip){}{}\n", prepared.skipped,
               prepared.first_skipped.empty() ? "" : "; the first: ", prepared.first_skipped);
  }
  flush_standard_output();
}

void add_text_options(CLI::App& command, Options& options) {
  EncoderOptions& encoding = options.prepare.encoding;
  command
      .add_option("--format", options.format,
                  "text, jsonl or parquet (default: auto, jsonl if a name ends in\n"
                  ".jsonl or .ndjson, before .gz or .zst)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "text", "jsonl", "parquet"}));
  command
      .add_option("--content", options.content,
                  "what a line of JSON or a row of Parquet has: text, completion\n"
                  "(a prompt and its completion) or messages (JSON lines only);\n"
                  "the loss counts completions and what the assistant says\n"
                  "(default: text)")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"text", "completion", "messages"}));
  command
      .add_option("--text-field", encoding.fields.text,
                  "field or column that has the text (default: text)")
      ->type_name("NAME");
  command
      .add_option("--prompt-field", encoding.fields.prompt,
                  "field or column that has the prompt (default: prompt)")
      ->type_name("NAME");
  command
      .add_option("--completion-field", encoding.fields.completion,
                  "field or column that has the completion (default: completion)")
      ->type_name("NAME");
  command
      .add_option("--on-error", options.on_error,
                  "stop, or skip: leave out documents that cannot be read, and\n"
                  "count them (default: stop)")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"stop", "skip"}));
  command
      .add_option("--separator", encoding.separator,
                  "text between two documents of a text file, such as\n"
                  "<|endoftext|> (default: each file is one document)")
      ->type_name("TEXT");
  command.add_flag("--no-end-of-document", options.no_end_of_document,
                   "no token after each document (default: the tokenizer's, if\nit has one)");
  command.add_flag("--special-as-text", options.special_as_text,
                   "encode special tokens such as <|endoftext|> like other text");
  command
      .add_option("--validation-share", encoding.validation_share,
                  "fraction of the documents for OUTPUT_validation, chosen by\n"
                  "their text (default: 0, no such file)")
      ->type_name("S");
}

}  // namespace

void add_prepare(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("prepare", "Writes a token file of text files.");
  command
      ->add_option("INPUT", options->prepare.inputs,
                   "text files or JSON lines, also compressed by gzip or\n"
                   "Zstandard; Parquet files; folders; patterns")
      ->type_name("")
      ->required();
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "tokenizer.json, vocab.json (with merges.txt beside it) or\n"
                   ".tiktoken file, or a folder with one of them")
      ->type_name("FILE")
      ->required();
  command->add_option("--output", options->prepare.output, "token file to write")
      ->type_name("FILE")
      ->required();
  add_text_options(*command, *options);
  command
      ->add_option("--pattern", options->pattern,
                   "how a .tiktoken file of an unknown vocabulary splits text:\n"
                   "gpt2, cl100k, llama3, qwen2, qwen3.5 or o200k")
      ->type_name("NAME");
  options->prepare.threads = affinity().count;
  command
      ->add_option("--threads", options->prepare.threads,
                   "threads that encode (default: one per processor); the output\n"
                   "does not depend on it")
      ->type_name("N");
  command->add_flag("--quiet", options->prepare.quiet, "print errors only");
  command->callback([options, &status] {
    run(*options);
    status = 0;
  });
}

}  // namespace ripieno::tools
