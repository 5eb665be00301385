#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/tools/command.h"
#include "ripieno/training/session/standard_streams.h"

namespace ripieno::tools {
namespace {

constexpr std::size_t kChunk = 1 << 20;  // bytes read at once

struct Options {
  std::string tokenizer;
  std::string pattern;
  bool decode = false;
  bool special_as_text = false;
};

// Appends at most kChunk bytes of stdin. Returns false at its end.
bool read_more(std::string& text) {
  const std::size_t before = text.size();
  text.resize(before + kChunk);
  text.resize(before + std::fread(text.data() + before, 1, kChunk, stdin));
  if (std::ferror(stdin)) throw StorageError("stdin: cannot be read");
  return text.size() > before;
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) flush_standard_output();
}

void print_tokens(const std::vector<int32_t>& tokens, bool& is_first) {
  std::string line;
  for (const int32_t token : tokens) {
    if (!is_first) line += ' ';
    is_first = false;
    fmt::format_to(std::back_inserter(line), "{}", token);
  }
  print(line);
}

void encode(const io::Tokenizer& tokenizer, io::SpecialTokens special) {
  std::string text;
  std::size_t least = 0;  // no cut is at or below it
  bool is_first = true;
  while (read_more(text)) {
    const auto cut = tokenizer.last_cut(text, least);
    if (!cut) {
      // The last bytes may be looked at again: they were too close to the end.
      constexpr std::size_t kMargin = 4096;
      least = text.size() < kMargin ? 0 : text.size() - kMargin;
      continue;
    }
    print_tokens(tokenizer.encode(std::string_view(text).substr(0, *cut), special), is_first);
    text.erase(0, *cut);
    least = 0;
  }
  print_tokens(tokenizer.encode(text, special), is_first);
  print("\n");
}

// Prints the text of the ids in `line`, which are separated by white space.
void decode_line(const io::Tokenizer& tokenizer, std::string_view line) {
  constexpr std::string_view kWhite = " \t\r\n";
  std::vector<int32_t> tokens;
  while (true) {
    const auto begin = line.find_first_not_of(kWhite);
    if (begin == line.npos) break;
    line.remove_prefix(begin);
    const std::string_view word = line.substr(0, line.find_first_of(kWhite));
    int32_t token = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (error != std::errc() || end != word.data() + word.size())
      throw DataError(fmt::format("stdin: \"{}\" is not a token id", word.substr(0, 60)));
    tokens.push_back(token);
    line.remove_prefix(word.size());
  }
  print(tokenizer.decode(tokens));
}

void decode(const io::Tokenizer& tokenizer) {
  std::string text;
  while (read_more(text)) {
    const auto end = text.find_last_of(" \t\r\n");
    if (end == text.npos) continue;
    decode_line(tokenizer, std::string_view(text).substr(0, end));
    text.erase(0, end);
  }
  decode_line(tokenizer, text);
}

void run(const Options& options) {
  const auto tokenizer = io::Tokenizer::load(options.tokenizer, options.pattern);
  if (options.decode)
    decode(tokenizer);
  else
    encode(tokenizer,
           options.special_as_text ? io::SpecialTokens::as_text : io::SpecialTokens::recognized);
  flush_standard_output();
}

}  // namespace

void add_tokenize(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Converts text on stdin to token ids on stdout, or back.");
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "tokenizer.json, vocab.json (with merges.txt beside it) or\n"
                   ".tiktoken file, or a folder with one of them")
      ->type_name("FILE")
      ->required();
  command->add_flag("--decode", options->decode, "convert ids, separated by white space, to text");
  command->add_flag("--special-as-text", options->special_as_text,
                    "encode special tokens such as <|endoftext|> like other text");
  command
      ->add_option("--pattern", options->pattern,
                   "how a .tiktoken file of an unknown vocabulary splits text:\n"
                   "gpt2, cl100k, llama3, qwen2, qwen3.5 or o200k")
      ->type_name("NAME");
  command->callback([options, &status] {
    run(*options);
    status = 0;
  });
}

}  // namespace ripieno::tools
