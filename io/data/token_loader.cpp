#include "ripieno/io/data/token_loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/data/mixture.h"
#include "ripieno/io/data/sampler.h"
#include "ripieno/io/data/token_windows.h"

namespace ripieno::io {
namespace {

// Sampling::random: the index of the first token of the window at each position.
Order random_windows(int64_t size, const TokenLoaderOptions& options, uint64_t seed) {
  return [starts = size - options.context, seed](int64_t position) {
    return random_index(seed, position, starts);
  };
}

// The same for Sampling::epoch. Uses one window fewer than fit, if more than one fits, so that an
// epoch can start at any token of the first window and windows are cut differently in each epoch.
Order adjacent_windows(int64_t size, const TokenLoaderOptions& options, uint64_t seed) {
  const int64_t context = options.context;
  const int64_t windows = std::max<int64_t>(1, (size - 1) / context - 1);
  const int64_t offsets = std::min(context, size - windows * context);
  return [=, sampler = Sampler(windows, seed)](int64_t position) {
    return random_index(seed, position / windows, offsets) + sampler.at(position) * context;
  };
}

// The token at which the window at each position within a source starts.
Order windows_in(int64_t size, const TokenLoaderOptions& options, uint64_t seed) {
  return options.sampling == Sampling::random ? random_windows(size, options, seed)
                                              : adjacent_windows(size, options, seed);
}

void require_enough(const TokenSplit& split, const TokenLoaderOptions& options) {
  const TokenData& data = split.train;
  const int64_t size = data.size(), held_out_tokens = split.validation.size();
  require_context(options.context);
  if (size < options.context + 1) {
    throw ConfigurationError(
        fmt::format("{}: {} tokens for training, but a context of {} requires at least {}; use a "
                    "longer text or a smaller context",
                    data.name(), size, options.context, options.context + 1));
  }
  if (!options.validation && options.validation_fraction > 0 && held_out_tokens < 2) {
    throw ConfigurationError(fmt::format(
        "{}: validation_fraction={} holds out {} of {} tokens, but at least 2 are required; raise "
        "it, use a longer text, or set it to 0",
        data.name(), options.validation_fraction, held_out_tokens, size + held_out_tokens));
  }
}

void require_same_tokenizer(const TokenData& first, const TokenData& other) {
  if (other.tokenizer().is_same_as(first.tokenizer())) return;
  throw DataError(fmt::format(
      "{} and {} have different tokenizers ({}), but one model requires one; for texts set "
      "data.tokenizer to bytes or to a tokenizer file, and encode token files with the same one",
      first.name(), other.name(),
      first.tokenizer().kind() == Tokenizer::Kind::characters
          ? "of the characters of each"
          : fmt::format("{} and {} tokens", first.tokenizer().vocabulary_size(),
                        other.tokenizer().vocabulary_size())));
}

int64_t adjacent_window_count(const TokenData& data, int64_t context) {
  require_context(context);
  return data.size() < 2 ? 0 : (data.size() - 1 + context - 1) / context;
}

// Adjacent windows of all sources, and how many there are.
struct AdjacentWindows {
  std::shared_ptr<const TokenWindows> windows;
  std::vector<int64_t> ends;  // of those of each source
  int64_t context;

  AdjacentWindows(const std::vector<TokenData>& sources, int64_t tokens,
                  std::optional<int32_t> end_of_document = std::nullopt)
      : windows(std::make_shared<const TokenWindows>(sources, tokens, end_of_document)),
        context(tokens) {
    int64_t end = 0;
    for (const TokenData& source : sources)
      ends.push_back(end += adjacent_window_count(source, context));
  }

  Order order() const {
    return [*this](int64_t window) {
      const auto source = static_cast<std::size_t>(
          std::upper_bound(ends.begin(), ends.end(), window) - ends.begin());
      const int64_t first = source == 0 ? 0 : ends[source - 1];
      return windows->index_of(source, (window - first) * context);
    };
  }
};

// The token that ends documents if they are to be separate.
std::optional<int32_t> end_of_separate(const TokenData& data, const TokenLoaderOptions& options) {
  if (options.documents == Documents::stream) return std::nullopt;
  const auto end = data.tokenizer().end_of_document();
  if (end) return end;
  throw ConfigurationError(fmt::format(
      "{}: documents=separate requires a tokenizer with a token that ends documents, such as "
      "<|endoftext|>; this one has none: use another tokenizer, or documents=stream",
      data.name()));
}

}  // namespace

// What the base class and the loader itself need of the sources.
struct TokenLoader::Sources {
  std::vector<TokenData> train, validation;
  SkippedData skipped;  // documents of all files, also of options.validation
  std::vector<int64_t> weights;
  std::vector<Order> orders;  // of each source

  Sources(const std::vector<WeightedTokens>& sources, const Options& options) {
    if (sources.empty()) throw ConfigurationError("data: a mixture requires at least one source");
    for (const WeightedTokens& source : sources) {
      const TokenSplit parts =
          split(source.data, options.validation ? 0 : options.validation_fraction);
      require_enough(parts, options);
      require_same_tokenizer(sources.front().data, source.data);
      // The first source has the order that it would have alone.
      constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
      orders.push_back(
          windows_in(parts.train.size(), options, options.seed + kStep * train.size()));
      skipped.add(source.data.skipped());
      train.push_back(parts.train);
      validation.push_back(parts.validation);
      weights.push_back(source.weight);
    }
    if (!options.validation) return;
    require_same_tokenizer(sources.front().data, *options.validation);
    validation = {*options.validation};
    skipped.add(options.validation->skipped());
  }

  BatchLoaderOptions batches(const std::shared_ptr<const TokenWindows>& windows,
                             const Options& options) const {
    const Mixture mixture(weights, options.seed);
    BatchLoaderOptions batches{.batch_size = options.batch_size, .order = orders.front()};
    batches.on_error = options.data.on_error;
    if (orders.size() == 1) return batches;
    batches.order = [windows, mixture, orders = orders](int64_t position) {
      const auto place = mixture.at(position);
      return windows->index_of(place.source, orders[place.source](place.position));
    };
    return batches;
  }

  std::string fingerprint() const {
    std::string all = TokenWindows(train, 1).fingerprint();
    if (train.size() > 1) all += fmt::format(" of weights {}", fmt::join(weights, ":"));
    return all;
  }
};

TokenLoader::TokenLoader(const Sources& sources, const Options& options, Part part)
    : TokenLoader(
          sources,
          std::make_shared<const TokenWindows>(sources.train, options.context,
                                               end_of_separate(sources.train.front(), options)),
          options, part) {}

TokenLoader::TokenLoader(const Sources& sources, std::shared_ptr<const TokenWindows> windows,
                         const Options& options, Part part)
    : BatchLoader(windows, sources.batches(windows, options), part),
      tokenizer_(sources.train.front().tokenizer()),
      fingerprint_(sources.fingerprint()),
      validation_(sources.validation),
      skipped_documents_(sources.skipped),
      context_(options.context),
      end_of_document_(end_of_separate(sources.train.front(), options)),
      part_(part) {}

TokenLoader::TokenLoader(const std::vector<WeightedTokens>& sources, const Options& options,
                         Part part)
    : TokenLoader(Sources(sources, options), options, part) {}

TokenLoader::TokenLoader(const TokenData& data, const Options& options, Part part)
    : TokenLoader(std::vector{WeightedTokens{data}}, options, part) {}

TokenLoader::TokenLoader(const std::string& path, const Options& options, Part part)
    : TokenLoader(TokenData::load(path, options.data), options, part) {}

std::optional<SkippedData> TokenLoader::skipped() const {
  auto all = BatchLoader::skipped();
  if (!all || part_.rank != 0) return all;
  SkippedData with_documents = skipped_documents_;
  with_documents.add(*all);
  return with_documents;
}

std::unique_ptr<EvaluationSet> TokenLoader::held_out(int64_t batch_size) const {
  if (AdjacentWindows(validation_, context_).ends.back() == 0) return nullptr;
  return std::make_unique<TokenEvaluation>(validation_, batch_size, context_, part_,
                                           end_of_document_);
}

TokenEvaluation::TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context,
                                 Part part)
    : TokenEvaluation(std::vector{data}, batch_size, context, part) {}

TokenEvaluation::TokenEvaluation(const std::vector<TokenData>& sources, int64_t batch_size,
                                 int64_t context, Part part, std::optional<int32_t> end_of_document)
    : EvaluationBatches(AdjacentWindows(sources, context, end_of_document).windows,
                        AdjacentWindows(sources, context).ends.back(),
                        AdjacentWindows(sources, context).order(), batch_size, part) {}

}  // namespace ripieno::io
