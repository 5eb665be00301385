#include "ripieno/io/data/token_loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/data/sampler.h"
#include "ripieno/io/data/token_windows.h"

namespace ripieno::io {
namespace {

// Sampling::random: the index of the first token of the window at each position.
Order random_windows(int64_t size, const TokenLoaderOptions& options) {
  return [starts = size - options.context, seed = options.seed](int64_t position) {
    return random_index(seed, position, starts);
  };
}

// The same for Sampling::epoch. Uses one window fewer than fit, if more than one fits, so that an
// epoch can start at any token of the first window and windows are cut differently in each epoch.
Order adjacent_windows(int64_t size, const TokenLoaderOptions& options) {
  const int64_t context = options.context;
  const int64_t windows = std::max<int64_t>(1, (size - 1) / context - 1);
  const int64_t offsets = std::min(context, size - windows * context);
  return [=, seed = options.seed, sampler = Sampler(windows, options.seed)](int64_t position) {
    return random_index(seed, position / windows, offsets) + sampler.at(position) * context;
  };
}

BatchLoaderOptions batches_of(const TokenSplit& split, const TokenLoaderOptions& options) {
  const TokenData& data = split.train;
  const int64_t held_out_tokens = split.validation.size();
  require_context(options.context);
  const int64_t size = data.size();
  if (size < options.context + 1) {
    throw ConfigurationError(
        fmt::format("{}: {} tokens for training, but a context of {} requires at least {}; use a "
                    "longer text or a smaller context",
                    data.name(), size, options.context, options.context + 1));
  }
  if (options.validation_fraction > 0 && held_out_tokens < 2) {
    throw ConfigurationError(fmt::format(
        "{}: validation_fraction={} holds out {} of {} tokens, but at least 2 are required; raise "
        "it, use a longer text, or set it to 0",
        data.name(), options.validation_fraction, held_out_tokens, size + held_out_tokens));
  }
  return {.batch_size = options.batch_size,
          .order = options.sampling == Sampling::random ? random_windows(size, options)
                                                        : adjacent_windows(size, options)};
}

std::shared_ptr<const Dataset> windows_of(const TokenData& data, int64_t context) {
  return std::make_shared<const TokenWindows>(data, context);
}

int64_t adjacent_window_count(const TokenData& data, int64_t context) {
  require_context(context);
  return data.size() < 2 ? 0 : (data.size() - 1 + context - 1) / context;
}

}  // namespace

TokenLoader::TokenLoader(const TokenSplit& data, const Options& options, Part part)
    : BatchLoader(windows_of(data.train, options.context), batches_of(data, options), part),
      data_(data),
      context_(options.context),
      part_(part) {}

TokenLoader::TokenLoader(const TokenData& data, const Options& options, Part part)
    : TokenLoader(split(data, options.validation_fraction), options, part) {}

TokenLoader::TokenLoader(const std::string& path, const Options& options, Part part)
    : TokenLoader(TokenData::load(path, options.tokenizer, options.tokenizer_file), options, part) {
}

std::unique_ptr<EvaluationSet> TokenLoader::held_out(int64_t batch_size) const {
  if (data_.validation.size() < 2) return nullptr;
  return std::make_unique<TokenEvaluation>(data_.validation, batch_size, context_, part_);
}

TokenEvaluation::TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context,
                                 Part part)
    : EvaluationBatches(
          windows_of(data, context), adjacent_window_count(data, context),
          [context](int64_t window) { return window * context; }, batch_size, part) {}

}  // namespace ripieno::io
