// Writes text with a GPT out of a checkpoint: generate runs/gpt_char --prompt "KING:" --tokens 500
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

// False if only help or the version was requested.
bool parse(int argc, char** argv, Options& options) {
  CLI::App app("Writes text with a GPT out of a checkpoint.", "generate");
  app.add_option("checkpoint", options.checkpoint,
                 "a checkpoint, or a run directory for its newest")
      ->type_name("DIR")
      ->required();
  app.add_option("--prompt", options.prompt, "what the text begins with")->type_name("TEXT");
  app.add_option("--tokens", options.tokens, "number of tokens to write (default: 500)")
      ->check(whole_number(1));
  app.add_option("--temperature", options.temperature,
                 "divides the logits: below 1 more predictable, 0 the likeliest token (default: "
                 "0.8)")
      ->check(finite_number(0));
  app.add_option("--top-k", options.top_k,
                 "number of likeliest tokens to choose among; 0, the default: all")
      ->check(whole_number(0));
  app.add_option("--seed", options.seed, "seed of the choice (default: 1)")->check(whole_number(0));
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
    throw UsageError(std::string(error.what()) + "; see generate --help");
  }
  return true;
}

io::Checkpoint open_checkpoint(const std::string& path) {
  const auto& files = io::local_files();
  if (files.exists(path + "/manifest.json")) return io::Checkpoint::open(files, path);
  const std::string checkpoints = path + "/checkpoints";
  if (!files.exists(checkpoints)) {
    throw ConfigurationError(path + ": neither a checkpoint nor a run directory with some");
  }
  const auto found = io::newest_intact(files, checkpoints);
  for (const auto& line : found.rejected) fmt::print(stderr, "{}\n", line);
  if (!found.path) throw DataError(checkpoints + ": holds no intact checkpoint");
  return io::Checkpoint::open(files, *found.path);
}

// Some numbers are used by long texts alone, so all are looked at before anything is written.
void require_finite(const io::Checkpoint& checkpoint) {
  for (const auto& tensor : checkpoint.tensors()) {
    if (tensor.kind != io::StateKind::parameter || tensor.not_finite == 0) continue;
    throw DataError(fmt::format(
        "{}: {} of {} elements of the parameter {} are NaN or infinite, so its training diverged; "
        "generate from an earlier checkpoint",
        checkpoint.path(), tensor.not_finite, tensor.shape.elements(), tensor.name));
  }
}

// Of the likeliest `top_k` tokens (0: all), one drawn with `uniform` in (0, 1].
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

// What the model thinks of each token after `tokens`, of which it sees the last context.
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
      "the model computes values that are not finite, so its training diverged; generate from an "
      "earlier checkpoint");
}

std::vector<int32_t> tokens_of_prompt(const io::Tokenizer& tokenizer, const std::string& prompt) {
  if (prompt.empty()) throw UsageError("--prompt is empty; the model needs at least one token");
  try {
    return tokenizer.encode(prompt);
  } catch (const DataError& error) {
    throw UsageError(fmt::format("--prompt \"{}\": {}", prompt, error.what()));
  }
}

// At once, so that a text is read while it is written. Throws StorageError where nobody can.
void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  flush_standard_output();
}

void write_text(const nn::Gpt& model, const io::Tokenizer& tokenizer, const Options& options,
                Device device) {
  const NoGrad no_grad;
  const kernels::RandomKey key{static_cast<uint64_t>(options.seed), random_stream("generate"), 0};
  auto tokens = tokens_of_prompt(tokenizer, options.prompt);
  print(options.prompt);
  for (int64_t i = 0; i < options.tokens; ++i) {
    auto logits = next_logits(model, tokens, device);
    logits.resize(static_cast<std::size_t>(tokenizer.vocabulary_size()));  // without the padding
    const auto random = kernels::philox(key, static_cast<uint64_t>(i));
    tokens.push_back(choose(logits, options, kernels::to_uniform(random.word[0])));
    print(tokenizer.decode(std::span(tokens).last(1)));
  }
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
    throw DataError(checkpoint.path() + ": is not of a GPT that train_gpt trained on a text");
  }
  require_finite(checkpoint);

  GptSettings gpt;
  Settings settings;
  gpt.bind(settings);
  settings.restore(state["configuration"]);
  const auto tokenizer = io::Tokenizer::described(state["tokenizer"]);
  if (tokenizer.kind() == io::Tokenizer::Kind::external) {
    throw ConfigurationError(checkpoint.path() +
                             ": its tokens are those of another program's tokenizer, which is not "
                             "in the checkpoint, so generate cannot read a prompt or write text");
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
