#include "ripieno/core/models/llama.h"

#include <fmt/format.h>

#include <functional>
#include <string>

#include "ripieno/core/device/profiled.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/parameter_limit.h"
#include "ripieno/core/ops/swiglu.h"
#include "ripieno/core/recomputation.h"

namespace ripieno::nn {
namespace {

constexpr double kInitialDeviation = 0.02;

LinearOptions llama_linear(bool bias = false) {
  return {.bias = bias,
          .weight = Initial::normal(kInitialDeviation),
          .bias_initial = Initial::constant(0.0)};
}

// In floating point, because it may exceed 64 bits.
double llama_parameters(const LlamaOptions& o) {
  const auto channels = static_cast<double>(o.channels);
  const auto head = static_cast<double>(o.size_of_head());
  const double of_heads = 2 * head * static_cast<double>(o.heads + o.key_value_heads);
  const double block = channels * (of_heads + 3 * static_cast<double>(o.hidden) + 2);
  const double embeddings = channels * static_cast<double>(o.vocab) * (o.ties_head ? 1 : 2);
  return embeddings + static_cast<double>(o.layers) * block;
}

const LlamaOptions& checked_llama(const LlamaOptions& o) {
  const auto require = [](bool holds, const std::string& what) {
    if (!holds) throw ConfigurationError("llama: " + what);
  };
  for (const auto& [name, size] : {std::pair{"vocab", o.vocab},
                                   {"layers", o.layers},
                                   {"context", o.context},
                                   {"channels", o.channels},
                                   {"hidden", o.hidden},
                                   {"heads", o.heads},
                                   {"key_value_heads", o.key_value_heads}}) {
    require(size > 0, fmt::format("{} is {}; it must be positive", name, size));
  }
  require(o.heads % o.key_value_heads == 0,
          fmt::format("heads is {}, key_value_heads is {}; heads must be a multiple", o.heads,
                      o.key_value_heads));
  require(o.head_size > 0 || (o.head_size == 0 && o.channels % o.heads == 0),
          fmt::format("channels is {}, heads is {}; channels must be a multiple of heads unless "
                      "head_size is set",
                      o.channels, o.heads));
  require(o.size_of_head() % 2 == 0,
          fmt::format("the size of a head is {}; rotary positions require an even one",
                      o.size_of_head()));
  require(o.epsilon >= 0 && std::isfinite(o.epsilon),
          fmt::format("epsilon is {}; it must be finite and not negative", o.epsilon));
  require(
      llama_parameters(o) <= kMaxParameters,
      fmt::format("layers={}, channels={}, hidden={} and vocab={} give {:.3g} parameters, more "
                  "than the maximum of {:.3g}; reduce layers or channels",
                  o.layers, o.channels, o.hidden, o.vocab, llama_parameters(o), kMaxParameters));
  return o;
}

Tensor by_head(const Tensor& x, int64_t heads, int64_t size) {
  return x.reshape({x.size(0), x.size(1), heads, size});
}

}  // namespace

LlamaBlock::LlamaBlock(const LlamaOptions& o, int64_t layer)
    : layer_(layer),
      heads_(o.heads),
      key_value_heads_(o.key_value_heads),
      head_size_(o.size_of_head()),
      norm1_(o.channels, o.epsilon),
      norm2_(o.channels, o.epsilon),
      query_(o.channels, heads_ * head_size_, llama_linear(o.qkv_bias)),
      key_(o.channels, key_value_heads_ * head_size_, llama_linear(o.qkv_bias)),
      value_(o.channels, key_value_heads_ * head_size_, llama_linear(o.qkv_bias)),
      projection_(heads_ * head_size_, o.channels, llama_linear()),
      gate_(o.channels, o.hidden, llama_linear()),
      up_(o.channels, o.hidden, llama_linear()),
      down_(o.hidden, o.channels, llama_linear()) {
  add("norm1", norm1_);
  add("query", query_);
  add("key", key_);
  add("value", value_);
  if (o.normalizes_heads) {
    add("query_norm", query_norm_.emplace(head_size_, o.epsilon));
    add("key_norm", key_norm_.emplace(head_size_, o.epsilon));
  }
  add("projection", projection_);
  add("norm2", norm2_);
  add("gate", gate_);
  add("up", up_);
  add("down", down_);
}

Tensor LlamaBlock::attend(const Tensor& x, const LlamaStep& step) const {
  Tensor q = by_head(query_(x), heads_, head_size_);
  Tensor k = by_head(key_(x), key_value_heads_, head_size_);
  Tensor v = by_head(value_(x), key_value_heads_, head_size_);
  if (query_norm_) {
    q = (*query_norm_)(q);
    k = (*key_norm_)(k);
  }
  q = rotary_embedding(q, step.rotary);
  k = rotary_embedding(k, step.rotary);
  if (step.cache) {
    const auto cached = step.cache->append(layer_, k, v);
    k = cached.keys;
    v = cached.values;
  }
  const Tensor attended = attention(q, k, v, {.causal = true, .ranges = step.ranges});
  return projection_(attended.reshape({x.size(0), x.size(1), heads_ * head_size_}));
}

Residual LlamaBlock::operator()(const Residual& in, const LlamaStep& step) const {
  const auto [x, normal_x] = norm1_(in);
  const auto [y, normal_y] = norm2_(Residual{.x = x, .branch = attend(normal_x, step)});
  return {.x = y, .branch = down_(swiglu(gate_(normal_y), up_(normal_y)))};
}

Llama::Llama(const LlamaOptions& options)
    : options_(checked_llama(options)),
      tokens_(options.vocab, options.channels, Initial::normal(kInitialDeviation)),
      norm_(options.channels, options.epsilon) {
  add("tokens", tokens_);
  for (int64_t i = 0; i < options.layers; ++i) {
    add("blocks." + std::to_string(i), blocks_.emplace_back(options, i), Unit::yes);
  }
  add("norm", norm_);
  if (!options.ties_head) {
    add("head", head_.emplace(options.channels, options.vocab, llama_linear()));
  }
}

LlamaStep Llama::step_of(const Tensor& ids, const DocumentRanges& documents) const {
  if (ids.rank() != 2 || ids.size(1) > options_.context) {
    fail(fmt::format("llama: ids must be (batch, time) with time at most {} (context), got {}",
                     options_.context, to_string(ids.shape())));
  }
  const int64_t channels = options_.size_of_head();
  const DType dtype = tokens_.weight().dtype();
  if (documents.positions.defined()) {
    return {rotary_table(documents.positions, channels, options_.rotary, dtype), documents.keys};
  }
  return {rotary_table(ids.size(1), channels, options_.rotary, dtype, ids.device()),
          documents.keys};
}

Tensor Llama::before_head(const Tensor& ids, const LlamaStep& step) const {
  Residual x{.x = tokens_(ids)};
  for (const LlamaBlock& block : blocks_) {
    const Profiled profiled("block");
    if (options_.recompute == Recompute::blocks && step.cache == nullptr) {
      const auto whole = [&block, step](const Tensor& in) {
        return sum(block(Residual{.x = in}, step));
      };
      x = {.x = recomputed(whole, x.x)};
    } else {
      x = block(x, step);
    }
  }
  return norm_(x).normalized;
}

Tensor Llama::logits(const Tensor& ids, const DocumentRanges& documents) const {
  return linear(before_head(ids, step_of(ids, documents)), head());
}

Loss Llama::loss(const Tensor& ids, const Tensor& targets, const DocumentRanges& documents) const {
  return linear_cross_entropy(before_head(ids, step_of(ids, documents)), head(), targets);
}

Tensor Llama::next_logits(const Tensor& ids, KeyValueCache& cache) const {
  if (ids.rank() != 2 || ids.size(1) < 1 || cache.length() + ids.size(1) > options_.context) {
    fail(
        fmt::format("llama: ids is {} behind {} tokens; it must be (batch, time), and all at most "
                    "{} (context)",
                    to_string(ids.shape()), cache.length(), options_.context));
  }
  const int64_t time = ids.size(1);
  const LlamaStep step{rotary_table(time, options_.size_of_head(), options_.rotary,
                                    tokens_.weight().dtype(), ids.device(), cache.length()),
                       {},
                       &cache};
  const Tensor hidden = before_head(ids, step);
  cache.advance(time);
  return linear(hidden.slice(1, time - 1, time).reshape({ids.size(0), options_.channels}), head());
}

KeyValueCache Llama::make_cache(int64_t batch) {
  const Tensor& values = tokens_.weight();
  return KeyValueCache({.layers = options_.layers,
                        .batch = batch,
                        .capacity = options_.context,
                        .heads = options_.key_value_heads,
                        .head_size = options_.size_of_head()},
                       values.dtype(), values.device());
}

}  // namespace ripieno::nn
