#include "ripieno/core/models/gpt.h"

#include <fmt/format.h>

#include "ripieno/core/device/profiled.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/parameter_limit.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/recomputation.h"

namespace ripieno::nn {
namespace {

constexpr double kDeviation = 0.02;

// Projections back into the residual stream start smaller, so that its variance does not grow with
// depth (GPT-2).
Initial residual_initial(const GptOptions& options) {
  return Initial::normal(kDeviation / std::sqrt(2.0 * static_cast<double>(options.layers)));
}

LinearOptions linear_options(const Initial& weight) {
  return {.weight = weight, .bias_initial = Initial::constant(0.0)};
}

// In floating point, because it may exceed 64 bits.
double parameter_count(const GptOptions& options) {
  const auto channels = static_cast<double>(options.channels);
  const auto rows = static_cast<double>(options.vocab) + static_cast<double>(options.context) + 2;
  const double block = channels * (12 * channels + 13);
  return channels * rows + static_cast<double>(options.layers) * block;
}

const GptOptions& checked(const GptOptions& options) {
  const auto require = [](bool holds, const std::string& what) {
    if (!holds) throw ConfigurationError("gpt: " + what);
  };
  require(options.vocab > 0, fmt::format("vocab is {}; it must be positive", options.vocab));
  require(options.layers > 0, fmt::format("layers is {}; it must be positive", options.layers));
  require(options.context > 0, fmt::format("context is {}; it must be positive", options.context));
  require(options.heads > 0 && options.channels > 0 && options.channels % options.heads == 0,
          fmt::format("channels is {}, heads is {}; channels must be a positive multiple of heads",
                      options.channels, options.heads));
  require(
      parameter_count(options) <= kMaxParameters,
      fmt::format("layers={}, channels={}, vocab={} and context={} give {:.3g} parameters, more "
                  "than the maximum of {:.3g}; reduce layers or channels",
                  options.layers, options.channels, options.vocab, options.context,
                  parameter_count(options), kMaxParameters));
  return options;
}

// Views of queries, keys and values, (batch, time, heads, head_size) each.
struct ByHead {
  Tensor q, k, v;
};
ByHead split_by_head(const Tensor& qkv, int64_t heads) {
  const Tensor all = qkv.reshape({qkv.size(0), qkv.size(1), 3 * heads, qkv.size(2) / (3 * heads)});
  return {all.slice(2, 0, heads), all.slice(2, heads, 2 * heads),
          all.slice(2, 2 * heads, 3 * heads)};
}

}  // namespace

GptBlock::GptBlock(const GptOptions& options)
    : heads_(options.heads),
      norm1_(options.channels),
      norm2_(options.channels),
      qkv_(options.channels, 3 * options.channels, linear_options(Initial::normal(kDeviation))),
      projection_(options.channels, options.channels, linear_options(residual_initial(options))),
      up_(options.channels, 4 * options.channels, linear_options(Initial::normal(kDeviation))),
      down_(4 * options.channels, options.channels, linear_options(residual_initial(options))),
      dropout1_(options.dropout),
      dropout2_(options.dropout) {
  add("norm1", norm1_);
  add("qkv", qkv_);
  add("projection", projection_);
  add("dropout1", dropout1_);
  add("norm2", norm2_);
  add("up", up_);
  add("down", down_);
  add("dropout2", dropout2_);
}

template <typename Attend>
Residual GptBlock::with(const Residual& in, const Attend& attend) const {
  const auto [x, normal_x] = norm1_(in);
  const Tensor attended = projection_(attend(qkv_(normal_x)));
  const auto [y, normal_y] = norm2_(dropout1_(x, attended));
  return dropout2_(y, feed_forward(normal_y, up_.weight_and_bias(), down_.weight_and_bias(),
                                   Activation::kGeluTanh));
}

Residual GptBlock::operator()(const Residual& in) const {
  return with(in, [&](const Tensor& qkv) { return causal_attention(qkv, heads_); });
}

Residual GptBlock::operator()(const Residual& in, const KeyRanges& ranges) const {
  return with(in, [&](const Tensor& qkv) {
    const auto [q, k, v] = split_by_head(qkv, heads_);
    const Tensor out = attention(q, k, v, {.causal = true, .ranges = ranges});
    return out.reshape({qkv.size(0), qkv.size(1), qkv.size(2) / 3});
  });
}

Residual GptBlock::operator()(const Residual& in, KeyValueCache& cache, int64_t layer) const {
  return with(in, [&](const Tensor& qkv) {
    const auto [q, k, v] = split_by_head(qkv, heads_);
    const auto [keys, values] = cache.append(layer, k, v);
    const Tensor out = attention(q, keys, values, {.causal = true});
    return out.reshape({qkv.size(0), qkv.size(1), qkv.size(2) / 3});
  });
}

Gpt::Gpt(const GptOptions& options)
    : options_(checked(options)),
      tokens_(options.vocab, options.channels, Initial::normal(kDeviation)),
      positions_(options.context, options.channels, Initial::normal(kDeviation)),
      dropout_(options.dropout),
      norm_(options.channels) {
  add("tokens", tokens_);
  add("positions", positions_);
  add("dropout", dropout_);
  for (int64_t i = 0; i < options.layers; ++i) {
    add("blocks." + std::to_string(i), blocks_.emplace_back(options), Unit::yes);
  }
  add("norm", norm_);
}

Tensor Gpt::before_head(const Tensor& ids, const DocumentRanges& documents) const {
  if (ids.rank() != 2 || ids.size(1) > options_.context) {
    fail(fmt::format("gpt: ids must be (batch, time) with time at most {} (context), got {}",
                     options_.context, to_string(ids.shape())));
  }
  const KeyRanges& ranges = documents.keys;
  Residual x;
  if (documents.positions.defined()) {
    x.x = dropout_(tokens_(ids) + positions_(documents.positions));
  } else {
    const Tensor positions = positions_.weight().slice(0, 0, ids.size(1));
    x.x = dropout_(embedding(tokens_.weight(), ids, positions));
  }
  for (const GptBlock& block : blocks_) {
    const Profiled profiled("block");
    const bool separate = ranges.first.defined();
    if (options_.recompute == Recompute::blocks && separate) {
      const auto whole = [&block, ranges](const Tensor& in) {
        return sum(block(Residual{.x = in}, ranges));
      };
      x = {.x = recomputed(whole, x.x)};
    } else if (options_.recompute == Recompute::blocks) {
      x = {.x = recomputed(std::cref(block), x.x)};
    } else {
      x = separate ? block(x, ranges) : block(x);
    }
  }
  return norm_(x).normalized;
}

Tensor Gpt::logits(const Tensor& ids, const DocumentRanges& documents) const {
  return linear(before_head(ids, documents), tokens_.weight());
}

Loss Gpt::loss(const Tensor& ids, const Tensor& targets, const DocumentRanges& documents) const {
  return linear_cross_entropy(before_head(ids, documents), tokens_.weight(), targets);
}

Tensor Gpt::next_logits(const Tensor& ids, KeyValueCache& cache) const {
  const int64_t first = cache.length(), time = ids.rank() == 2 ? ids.size(1) : 0;
  if (time < 1 || first + time > options_.context) {
    fail(
        fmt::format("gpt: ids is {} behind {} tokens; it must be (batch, time), and all at most {} "
                    "(context)",
                    to_string(ids.shape()), first, options_.context));
  }
  const Tensor positions = positions_.weight().slice(0, first, first + time);
  Residual x{.x = dropout_(embedding(tokens_.weight(), ids, positions))};
  int64_t layer = 0;
  for (const GptBlock& block : blocks_) x = block(x, cache, layer++);
  cache.advance(time);
  const Tensor last = norm_(x).normalized.slice(1, time - 1, time);
  return linear(last.reshape({ids.size(0), options_.channels}), tokens_.weight());
}

KeyValueCache Gpt::make_cache(int64_t batch) {
  const Tensor& values = tokens_.weight();
  return KeyValueCache({.layers = options_.layers,
                        .batch = batch,
                        .capacity = options_.context,
                        .heads = options_.heads,
                        .head_size = options_.channels / options_.heads},
                       values.dtype(), values.device());
}

}  // namespace ripieno::nn
