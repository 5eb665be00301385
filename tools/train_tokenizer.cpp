#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/replace_file.h"
#include "ripieno/tools/command.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::vector<std::string> texts;
  std::string output;
  io::TokenizerTraining training;
};

// The texts one after the other, in parts of a few MiB.
class TextFiles {
 public:
  explicit TextFiles(const std::vector<std::string>& paths) : paths_(paths) {}

  std::optional<std::string> next() {
    constexpr int64_t kPart = 1 << 22;
    while (true) {
      if (file_ != nullptr && offset_ < file_->size()) {
        std::string part(static_cast<std::size_t>(std::min(kPart, file_->size() - offset_)), '\0');
        file_->read(offset_, std::as_writable_bytes(std::span(part)));
        offset_ += static_cast<int64_t>(part.size());
        return part;
      }
      if (index_ == paths_.size()) return std::nullopt;
      const std::string& path = paths_[index_++];
      if (!io::local_files().exists(path)) throw ConfigurationError(path + ": file does not exist");
      file_ = io::local_files().open(path);
      offset_ = 0;
    }
  }

 private:
  const std::vector<std::string>& paths_;
  std::size_t index_ = 0;
  std::unique_ptr<io::ReadableFile> file_;
  int64_t offset_ = 0;
};

void run(const Options& options) {
  TextFiles files(options.texts);
  const auto tokenizer = io::Tokenizer::train(options.training, [&] { return files.next(); });
  io::replace_file(io::local_files(), options.output, tokenizer.tokenizer_json());
  fmt::print("{}: a vocabulary of {} tokens\n", options.output, tokenizer.vocabulary_size());
}

}  // namespace

void add_train_tokenizer(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("train_tokenizer", "Trains a byte-level BPE vocabulary on text files.");
  command->add_option("TEXT", options->texts, "text files, read in this order")
      ->type_name("")
      ->required();
  command->add_option("--output", options->output, "tokenizer.json to write")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--vocabulary", options->training.vocabulary_size,
                   "number of tokens, with the 256 bytes and <|endoftext|>\n(default: 32000)")
      ->type_name("SIZE");
  command
      ->add_option("--pattern", options->training.pattern,
                   "how text is split into words: gpt2 (default), cl100k,\n"
                   "llama3, qwen2, qwen3.5 or o200k")
      ->type_name("NAME");
  command
      ->add_option("--threads", options->training.threads, "threads that count words (default: 2)")
      ->type_name("N");
  command->callback([options, &status] {
    run(*options);
    status = 0;
  });
}

}  // namespace ripieno::tools
