// Generates text with a GPT or a Llama from a checkpoint:
//   generate runs/gpt_char --prompt "KING:" --max-tokens 500
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/ripieno.h"
#include "ripieno/training/session/build_facts.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/standard_streams.h"
#include "ripieno/training/settings/exact_number.h"
#include "ripieno/training/settings/unknown_argument.h"

namespace {

using namespace ripieno;

struct Options {
  std::string checkpoint;
  std::string prompt = "\n";
  int64_t tokens = 500;
  SamplingOptions sampling{.temperature = 0.8};
  int64_t samples = 1;
  int64_t seed = 1;
  std::string device = "auto";
  bool ignores_end = false;
  bool reports_speed = false;
};

// Returns false after --help and --version.
bool parse(int argc, char** argv, Options& options) {
  CLI::App app("Generates text with a GPT or a Llama from a checkpoint.", "generate");
  app.add_option("checkpoint", options.checkpoint,
                 "checkpoint, or run directory for its newest one")
      ->type_name("DIR")
      ->required();
  app.add_option("--prompt", options.prompt, "beginning of the text (default: a line break)")
      ->type_name("TEXT");
  app.add_option("--tokens,--max-tokens", options.tokens,
                 "maximum number of tokens to generate (default: 500)")
      ->check(whole_number(1));
  app.add_option("--temperature", options.sampling.temperature,
                 "divisor of the logits: lower is more predictable,\n"
                 "0 always takes the likeliest token (default: 0.8)")
      ->check(finite_number(0));
  app.add_option("--top-k", options.sampling.top_k,
                 "number of likeliest tokens to sample from;\n0 (default): all tokens")
      ->check(whole_number(0));
  app.add_option("--top-p", options.sampling.top_p,
                 "probability, above 0 and at most 1, of the likeliest\n"
                 "tokens to sample from (default: 1, all tokens)")
      ->check(finite_number(0));
  app.add_option("--repetition-penalty", options.sampling.repetition_penalty,
                 "factor, at least 1, against tokens that the text has\n"
                 "already (default: 1, none)")
      ->check(finite_number(1));
  app.add_option("--samples", options.samples, "number of texts to generate at once (default: 1)")
      ->check(whole_number(1, 4096));
  app.add_option("--seed", options.seed, "random seed of the sampling (default: 1)")
      ->check(whole_number(0));
  app.add_option("--device", options.device,
                 "auto (default): the local rank's GPU if there is one,\n"
                 "otherwise the CPU; cpu; or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}).description(""));
  app.add_flag("--ignore-end", options.ignores_end, "continue after a token that ends a document");
  app.add_flag("--speed", options.reports_speed, "print tokens per second to stderr at the end");
  app.set_version_flag(
      "--version", [] { return version_text("generate"); },
      "Print the version and what it was built with");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return false;
  } catch (const CLI::ParseError& error) {
    const auto unknown = unknown_argument(app);
    throw UsageError((unknown.empty() ? error.what() : unknown) + "; see generate --help");
  }
  return true;
}

io::Checkpoint open_checkpoint(const std::string& path) {
  const auto& files = io::local_files();
  if (files.exists(path + "/manifest.json")) return io::Checkpoint::open(files, path);
  const std::string checkpoints = path + "/checkpoints";
  if (!files.exists(checkpoints)) {
    throw ConfigurationError(path + ": not a checkpoint or a run directory with checkpoints");
  }
  const auto found = io::newest_intact(files, checkpoints);
  for (const auto& line : found.rejected) fmt::print(stderr, "{}\n", line);
  if (!found.path) throw DataError(checkpoints + ": no intact checkpoint found");
  return io::Checkpoint::open(files, *found.path);
}

// Some parameters are used only by long texts, so all are checked before generating.
void require_finite(const io::Checkpoint& checkpoint) {
  for (const auto& tensor : checkpoint.tensors()) {
    if (tensor.kind != io::StateKind::parameter || tensor.not_finite == 0) continue;
    throw DataError(
        fmt::format("{}: {} of {} elements of parameter {} are NaN or infinite, so training has "
                    "diverged; use an earlier checkpoint",
                    checkpoint.path(), tensor.not_finite, tensor.shape.elements(), tensor.name));
  }
}

std::vector<int32_t> tokens_of_prompt(const io::Tokenizer& tokenizer, const std::string& prompt) {
  if (prompt.empty()) throw UsageError("--prompt is empty; it must have at least one token");
  try {
    return tokenizer.encode(prompt);
  } catch (const DataError& error) {
    throw UsageError(fmt::format("--prompt \"{}\": {}", prompt, error.what()));
  }
}

// Prints without buffering. Throws StorageError if stdout cannot be written.
void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  flush_standard_output();
}

// The number of bytes at the end of `text` that begin a character and do not complete it.
std::size_t incomplete_bytes(const std::string& text) {
  for (std::size_t bytes = 1; bytes <= std::min<std::size_t>(3, text.size()); ++bytes) {
    const auto byte = static_cast<uint8_t>(text[text.size() - bytes]);
    if (byte >= 0xc0) return bytes < (byte < 0xe0 ? 2u : byte < 0xf0 ? 3u : 4u) ? bytes : 0;
    if (byte < 0x80) break;
  }
  return 0;
}

// The text of one sample, which streams out while it is the only one.
class SampleText {
 public:
  SampleText(const io::Tokenizer& tokenizer, bool streams)
      : tokenizer_(tokenizer), streams_(streams) {}

  bool has_ended() const { return has_ended_; }
  void end() { has_ended_ = true; }
  void add(int32_t token) {
    text_ += tokenizer_.decode(std::span(&token, 1));
    if (!streams_) return;
    // A token may end inside of a character, which waits for the next one.
    const std::size_t complete = text_.size() - incomplete_bytes(text_);
    print(text_.substr(0, complete));
    text_.erase(0, complete);
  }
  void finish() { print(text_ + "\n"); }

 private:
  const io::Tokenizer& tokenizer_;
  bool streams_;
  std::string text_;
  bool has_ended_ = false;
};

void write_text(nn::LanguageModel& model, const io::Tokenizer& tokenizer, const Options& options) {
  TextGenerator generator(model, tokens_of_prompt(tokenizer, options.prompt), options.sampling,
                          {.samples = options.samples,
                           .seed = static_cast<uint64_t>(options.seed),
                           .vocabulary = tokenizer.vocabulary_size()});
  const auto end = options.ignores_end ? std::nullopt : tokenizer.end_of_document();
  std::vector<SampleText> samples(static_cast<std::size_t>(options.samples),
                                  SampleText(tokenizer, options.samples == 1));
  if (options.samples == 1) print(options.prompt);
  const auto begin = std::chrono::steady_clock::now();
  int64_t steps = 0;
  const auto has_ended = [](const SampleText& sample) { return sample.has_ended(); };
  while (steps < options.tokens && !std::all_of(samples.begin(), samples.end(), has_ended)) {
    const std::vector<int32_t> tokens = generator.next();
    ++steps;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (samples[i].has_ended()) continue;
      if (tokens[i] == end) {
        samples[i].end();
      } else {
        samples[i].add(tokens[i]);
      }
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (samples.size() > 1) print(fmt::format("--- sample {}\n{}", i + 1, options.prompt));
    samples[i].finish();
  }
  if (!options.reports_speed) return;
  const auto tokens = static_cast<double>(steps * options.samples);
  fmt::print(stderr, "generate: {} tokens of {} samples in {:.3f} s, {:.0f} tokens/s\n", steps,
             options.samples, took.count(), tokens / took.count());
}

int generate(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) return 0;
  if (options.sampling.top_p <= 0 || options.sampling.top_p > 1) {
    throw UsageError(
        fmt::format("--top-p is {}; it must be above 0 and at most 1", options.sampling.top_p));
  }
  Session session(argc, argv);
  session.use_device(options.device);
  session.release_signals();
  const auto checkpoint = open_checkpoint(options.checkpoint);
  const auto& state = checkpoint.training_state();
  if (!state.contains("tokenizer") || !state.contains("configuration")) {
    throw DataError(checkpoint.path() + ": not a checkpoint of train_gpt");
  }
  require_finite(checkpoint);

  const auto kind = state["configuration"].value("/model/kind"_json_pointer, std::string("gpt"));
  const auto model_settings = settings_of_language_model(kind);
  Settings settings;
  model_settings->bind(settings);
  settings.restore(state["configuration"]);
  const auto tokenizer = io::Tokenizer::described(state["tokenizer"]);
  if (tokenizer.kind() == io::Tokenizer::Kind::external) {
    throw ConfigurationError(checkpoint.path() +
                             ": trained with the tokenizer of another program, which is not in the "
                             "checkpoint, so text cannot be encoded or decoded");
  }
  const auto model = model_settings->build_for(tokenizer.vocabulary_size());
  model->evaluate();
  checkpoint.load(state_of(*model));
  model->to(session.device());
  write_text(*model, tokenizer, options);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return generate(argc, argv); });
}
