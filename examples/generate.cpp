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

#include "gpt_settings.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/kernels/philox.h"
#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Options {
  std::string checkpoint;
  std::string prompt = "\n";
  int64_t tokens = 500;
  double temperature = 0.8;
  int64_t top_k = 0;
  uint64_t seed = 1;
};

// False where only help was wanted.
bool parse(int argc, char** argv, Options& options) {
  CLI::App app("Writes text with a GPT out of a checkpoint.", "generate");
  app.add_option("checkpoint", options.checkpoint,
                 "a checkpoint, or a run directory for its newest")
      ->type_name("DIR")
      ->required();
  app.add_option("--prompt", options.prompt, "what the text begins with")->type_name("TEXT");
  app.add_option("--tokens", options.tokens, "how many to write")
      ->check(CLI::PositiveNumber.description(""));
  app.add_option("--temperature", options.temperature, "below 1 more predictable; 0: the likeliest")
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_option("--top-k", options.top_k, "choose among the likeliest so many; 0: among all")
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_option("--seed", options.seed, "of the choice")
      ->check(CLI::NonNegativeNumber.description(""));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
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
  return logits.slice(1, time - 1, time).to(DType::float32).to_vector<float>();
}

void write_text(const nn::Gpt& model, const io::Tokenizer& tokenizer, const Options& options,
                Device device) {
  const NoGrad no_grad;
  const kernels::RandomKey key{options.seed, random_stream("generate"), 0};
  auto tokens = tokenizer.encode(options.prompt);
  if (tokens.empty()) throw UsageError("--prompt is empty; the model needs one token at least");
  std::fputs(options.prompt.c_str(), stdout);
  for (int64_t i = 0; i < options.tokens; ++i) {
    auto logits = next_logits(model, tokens, device);
    logits.resize(static_cast<std::size_t>(tokenizer.vocabulary_size()));  // without the padding
    const auto random = kernels::philox(key, static_cast<uint64_t>(i));
    tokens.push_back(choose(logits, options, kernels::to_uniform(random.word[0])));
    std::fputs(tokenizer.decode(std::span(tokens).last(1)).c_str(), stdout);
    std::fflush(stdout);
  }
  std::fputs("\n", stdout);
}

int generate(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) return 0;
  const Session session(argc, argv);
  const auto checkpoint = open_checkpoint(options.checkpoint);
  const auto& state = checkpoint.training_state();
  if (!state.contains("tokenizer") || !state.contains("configuration")) {
    throw DataError(checkpoint.path() + ": is not of a GPT that train_gpt trained on a text");
  }

  examples::GptSettings gpt;
  ripieno::Settings settings;
  bind(settings, gpt);
  settings.restore(state["configuration"]);
  const auto tokenizer = io::Tokenizer::described(state["tokenizer"]);
  nn::Gpt model(model_options(gpt, tokenizer.vocabulary_size()));
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
