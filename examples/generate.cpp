// Generates text with a GPT from a checkpoint: generate runs/gpt_char --prompt "KING:" --tokens 500
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/kernels/philox.h"
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
  double temperature = 0.8;
  int64_t top_k = 0;
  int64_t seed = 1;
};

// Returns false after --help and --version.
bool parse(int argc, char** argv, Options& options) {
  CLI::App app("Generates text with a GPT from a checkpoint.", "generate");
  app.add_option("checkpoint", options.checkpoint,
                 "checkpoint, or run directory for its newest one")
      ->type_name("DIR")
      ->required();
  app.add_option("--prompt", options.prompt, "beginning of the text (default: a line break)")
      ->type_name("TEXT");
  app.add_option("--tokens", options.tokens, "number of tokens to generate (default: 500)")
      ->check(whole_number(1));
  app.add_option("--temperature", options.temperature,
                 "divisor of the logits: lower is more predictable,\n"
                 "0 always takes the likeliest token (default: 0.8)")
      ->check(finite_number(0));
  app.add_option("--top-k", options.top_k,
                 "number of likeliest tokens to sample from;\n0 (default): all tokens")
      ->check(whole_number(0));
  app.add_option("--seed", options.seed, "random seed of the sampling (default: 1)")
      ->check(whole_number(0));
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

// Samples one of the likeliest `top_k` tokens (0: all). `uniform`: a random number in (0, 1].
int32_t choose(const std::vector<float>& logits, const Options& options, double uniform) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (options.temperature == 0) return order.front();
  if (options.top_k > 0) {
    order.resize(std::min(order.size(), static_cast<std::size_t>(options.top_k)));
  }
  const auto highest = logits[static_cast<std::size_t>(order.front())];
  std::vector<double> sums;
  double sum = 0;
  for (const int32_t token : order) {
    sum += std::exp((logits[static_cast<std::size_t>(token)] - highest) / options.temperature);
    sums.push_back(sum);
  }
  const auto chosen = std::lower_bound(sums.begin(), sums.end(), uniform * sum) - sums.begin();
  return order[std::min(static_cast<std::size_t>(chosen), order.size() - 1)];
}

// The logits of the token after `tokens`, of which the model sees at most the last context length.
std::vector<float> next_logits(const nn::Gpt& model, const std::vector<int32_t>& tokens,
                               Device device) {
  const auto seen =
      std::min<std::size_t>(tokens.size(), static_cast<std::size_t>(model.options().context));
  const std::vector<int32_t> window(tokens.end() - static_cast<std::ptrdiff_t>(seen), tokens.end());
  const auto time = static_cast<int64_t>(seen);
  const Tensor logits = model(Tensor::of<int32_t>({1, time}, window).to(device));
  auto last = logits.slice(1, time - 1, time).to(DType::float32).to_vector<float>();
  if (std::all_of(last.begin(), last.end(), [](float x) { return std::isfinite(x); })) return last;
  throw DataError(
      "the logits of the model are not finite, so training has diverged; use an earlier "
      "checkpoint");
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

void write_text(const nn::Gpt& model, const io::Tokenizer& tokenizer, const Options& options,
                Device device) {
  const NoGrad no_grad;
  const kernels::RandomKey key{static_cast<uint64_t>(options.seed), random_stream("generate"), 0};
  auto tokens = tokens_of_prompt(tokenizer, options.prompt);
  print(options.prompt);
  std::string text;  // a token may end inside of a character, which waits for the next one
  for (int64_t i = 0; i < options.tokens; ++i) {
    auto logits = next_logits(model, tokens, device);
    logits.resize(static_cast<std::size_t>(tokenizer.vocabulary_size()));  // without padding
    const auto random = kernels::philox(key, static_cast<uint64_t>(i));
    tokens.push_back(choose(logits, options, kernels::to_uniform(random.word[0])));
    text += tokenizer.decode(std::span(tokens).last(1));
    const std::size_t complete = text.size() - incomplete_bytes(text);
    print(text.substr(0, complete));
    text.erase(0, complete);
  }
  print(text);
  print("\n");
}

int generate(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) return 0;
  Session session(argc, argv);
  session.release_signals();
  const auto checkpoint = open_checkpoint(options.checkpoint);
  const auto& state = checkpoint.training_state();
  if (!state.contains("tokenizer") || !state.contains("configuration")) {
    throw DataError(checkpoint.path() + ": not a checkpoint of train_gpt");
  }
  require_finite(checkpoint);

  GptSettings gpt;
  Settings settings;
  gpt.bind(settings);
  settings.restore(state["configuration"]);
  const auto tokenizer = io::Tokenizer::described(state["tokenizer"]);
  if (tokenizer.kind() == io::Tokenizer::Kind::external) {
    throw ConfigurationError(checkpoint.path() +
                             ": trained with the tokenizer of another program, which is not in the "
                             "checkpoint, so text cannot be encoded or decoded");
  }
  nn::Gpt model(gpt.options_for(tokenizer.vocabulary_size()));
  model.evaluate();
  checkpoint.load(state_of(model));
  model.to(session.device());
  write_text(model, tokenizer, options, session.device());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return generate(argc, argv); });
}
