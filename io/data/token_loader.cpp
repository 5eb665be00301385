#include "ripieno/io/data/token_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/io/data/prefetcher.h"
#include "ripieno/io/data/sampler.h"

namespace ripieno::io {
namespace {

using FirstToken = std::function<int64_t(int64_t position)>;

void require_options(const TokenLoaderOptions& options, const TokenSplit& data) {
  if (options.context < 1) {
    throw ConfigurationError(
        fmt::format("token loader: a context of {} tokens; at least 1 is needed", options.context));
  }
  if (options.batch_size < 1)
    throw ConfigurationError("token loader: a batch of no samples; at least 1 is needed");
  if (data.train.size() < options.context + 1) {
    throw ConfigurationError(
        fmt::format("{}: {} tokens to train on, but one context and its target take {}; use a "
                    "longer text or a smaller context",
                    data.train.name(), data.train.size(), options.context + 1));
  }
}

// Where the window of each sample begins, for Sampling::random.
FirstToken anywhere(int64_t size, const TokenLoaderOptions& options) {
  return [places = size - options.context, seed = options.seed](int64_t position) {
    return random_index(seed, position, places);
  };
}

// The same for Sampling::epoch: one window fewer than fit, where there are some, so that an epoch
// can begin at any token of the first window, and windows are cut elsewhere each time.
FirstToken side_by_side(int64_t size, const TokenLoaderOptions& options) {
  const int64_t context = options.context;
  const int64_t windows = std::max<int64_t>(1, (size - 1) / context - 1);
  const int64_t offsets = std::min(context, size - windows * context);
  return [=, seed = options.seed, sampler = Sampler(windows, options.seed)](int64_t position) {
    return random_index(seed, position / windows, offsets) + sampler.at(position) * context;
  };
}

// The rows of the batch at `position` that are `part`'s.
Batch make_batch(const TokenData& data, const TokenLoaderOptions& options, Part part,
                 const FirstToken& first_token, int64_t position) {
  const Rows rows = rows_of(part, options.batch_size);
  const int64_t context = options.context;
  Batch batch{Tensor({rows.count(), context}, DType::int32),
              Tensor({rows.count(), context}, DType::int32), rows.begin, options.batch_size};
  for (int64_t row = 0; row < rows.count(); ++row) {
    const int64_t first = first_token(position + rows.begin + row);
    const auto width = static_cast<std::size_t>(context);
    data.copy(first, {batch.inputs.data<int32_t>() + row * context, width});
    data.copy(first + 1, {batch.targets.data<int32_t>() + row * context, width});
  }
  return batch;
}

}  // namespace

TokenLoader::TokenLoader(const TokenData& data, const Options& options, Part part)
    : options_(options), part_(part), data_(split(data, options.validation_fraction)) {
  require_options(options_, data_);
  const int64_t size = data_.train.size();
  auto first_token = options_.sampling == Sampling::random ? anywhere(size, options_)
                                                           : side_by_side(size, options_);
  prefetcher_ = std::make_unique<Prefetcher>(
      [this, first_token = std::move(first_token)](int64_t position) {
        return make_batch(data_.train, options_, part_, first_token, position);
      },
      options_.batch_size);
}

TokenLoader::TokenLoader(const std::string& path, const Options& options, Part part)
    : TokenLoader(TokenData::load(path, options.tokenizer), options, part) {}

TokenLoader::~TokenLoader() = default;

Batch TokenLoader::next() { return prefetcher_->next(); }
int64_t TokenLoader::position() const { return prefetcher_->position(); }
void TokenLoader::seek(int64_t position) { prefetcher_->seek(position); }

std::unique_ptr<EvaluationSet> TokenLoader::held_out(int64_t batch_size) const {
  if (data_.validation.size() < 2) return nullptr;
  return std::make_unique<TokenEvaluation>(data_.validation, batch_size, options_.context, part_);
}

TokenEvaluation::TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context,
                                 Part part)
    : data_(data), batch_size_(batch_size), context_(context), part_(part) {
  if (batch_size < 1 || context < 1)
    fail("token evaluation: batch size and context must be at least 1");
}

int64_t TokenEvaluation::windows() const {
  return data_.size() < 2 ? 0 : (data_.size() - 1 + context_ - 1) / context_;
}

int64_t TokenEvaluation::batches() const { return (windows() + batch_size_ - 1) / batch_size_; }

Batch TokenEvaluation::batch(int64_t index) const {
  const int64_t first_window = index * batch_size_;
  const int64_t global_rows = std::min(batch_size_, windows() - first_window);
  const Rows rows = rows_of(part_, global_rows);
  Batch batch{Tensor({rows.count(), context_}, DType::int32),
              Tensor({rows.count(), context_}, DType::int32), rows.begin, global_rows};
  for (int64_t row = 0; row < rows.count(); ++row) {
    const int64_t begin = (first_window + rows.begin + row) * context_;
    const int64_t count = std::min(context_, data_.size() - 1 - begin);
    int32_t* inputs = batch.inputs.data<int32_t>() + row * context_;
    int32_t* targets = batch.targets.data<int32_t>() + row * context_;
    data_.copy(begin, {inputs, static_cast<std::size_t>(count)});
    data_.copy(begin + 1, {targets, static_cast<std::size_t>(count)});
    std::fill(inputs + count, inputs + context_, 0);
    std::fill(targets + count, targets + context_, kIgnoredTarget);
  }
  return batch;
}

Sampling sampling_named(std::string_view name) {
  if (name == "random") return Sampling::random;
  if (name == "epoch") return Sampling::epoch;
  throw ConfigurationError(
      fmt::format("sampling \"{}\" is unknown; known are random and epoch", name));
}

}  // namespace ripieno::io
