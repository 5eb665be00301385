#include "ripieno/core/models/lstm_language_model.h"

#include <fmt/format.h>

#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/parameter_limit.h"
#include "ripieno/core/ops/linear.h"

namespace ripieno::nn {
namespace {

const LstmLanguageModelOptions& checked(const LstmLanguageModelOptions& options) {
  if (options.vocab < 1 || options.channels < 1 || options.layers < 1)
    throw ConfigurationError(
        fmt::format("lstm: vocab is {}, channels is {}, layers is {}; they must be positive",
                    options.vocab, options.channels, options.layers));
  const auto channels = static_cast<double>(options.channels);
  const double parameters = 2.0 * channels * static_cast<double>(options.vocab) +
                            8.0 * channels * channels * static_cast<double>(options.layers);
  if (parameters > kMaxParameters)
    throw ConfigurationError(
        fmt::format("lstm: layers={}, channels={} and vocab={} give {:.3g} parameters, more than "
                    "the maximum of {:.3g}; reduce layers or channels",
                    options.layers, options.channels, options.vocab, parameters, kMaxParameters));
  return options;
}

}  // namespace

LstmLanguageModel::LstmLanguageModel(const LstmLanguageModelOptions& options)
    : options_(checked(options)),
      tokens_(options.vocab, options.channels),
      dropout1_(options.dropout),
      dropout2_(options.dropout),
      lstm_(options.channels, options.channels,
            {.layers = options.layers, .dropout = options.dropout}),
      head_(options.channels, options.vocab, {.bias = false}) {
  add("tokens", tokens_);
  add("dropout1", dropout1_);
  add("lstm", lstm_);
  add("dropout2", dropout2_);
  add("head", head_);
}

RecurrentResult LstmLanguageModel::before_head(const Tensor& ids,
                                               const RecurrentState& state) const {
  if (!ids.defined() || ids.rank() != 2)
    fail(fmt::format("lstm: ids are {}; they must be (batch, time)", describe(ids)));
  RecurrentResult result = lstm_(dropout1_(tokens_(ids)), state);
  result.outputs = dropout2_(result.outputs);
  return result;
}

RecurrentResult LstmLanguageModel::operator()(const Tensor& ids,
                                              const RecurrentState& state) const {
  RecurrentResult result = before_head(ids, state);
  result.outputs = head_(result.outputs);
  return result;
}

Loss LstmLanguageModel::loss(const Tensor& ids, const Tensor& targets) const {
  return linear_cross_entropy(before_head(ids, {}).outputs, head_.weight(), targets);
}

}  // namespace ripieno::nn
