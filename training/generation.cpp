#include "ripieno/training/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/philox.h"

namespace ripieno {
namespace {

void penalize_repetition(std::vector<double>& logits, std::span<const int32_t> text,
                         double penalty) {
  std::vector<bool> is_in_text(logits.size());
  for (const int32_t token : text) {
    const auto index = static_cast<std::size_t>(token);
    if (index >= logits.size() || is_in_text[index]) continue;
    is_in_text[index] = true;
    logits[index] = logits[index] > 0 ? logits[index] / penalty : logits[index] * penalty;
  }
}

// The number of leading sums to sample from: the first whose share of the total is at least
// `top_p`.
std::size_t nucleus(const std::vector<double>& sums, double top_p) {
  if (top_p >= 1.0) return sums.size();
  const auto last = std::lower_bound(sums.begin(), sums.end(), top_p * sums.back());
  return std::min(static_cast<std::size_t>(last - sums.begin()) + 1, sums.size());
}

}  // namespace

void check(const SamplingOptions& options) {
  const auto require = [](bool holds, const char* name, double value, const char* domain) {
    if (!holds)
      throw ConfigurationError(fmt::format("{} is {}; it must be {}", name, value, domain));
  };
  require(options.repetition_penalty >= 1 && std::isfinite(options.repetition_penalty),
          "repetition_penalty", options.repetition_penalty, "finite and at least 1");
  require(options.temperature >= 0 && std::isfinite(options.temperature), "temperature",
          options.temperature, "finite and at least 0");
  require(options.top_k >= 0, "top_k", static_cast<double>(options.top_k), "at least 0");
  require(options.top_p > 0 && options.top_p <= 1, "top_p", options.top_p, "above 0 and at most 1");
}

int32_t choose(std::span<const float> from, std::span<const int32_t> text,
               const SamplingOptions& options, double uniform) {
  if (!std::all_of(from.begin(), from.end(), [](float x) { return std::isfinite(x); })) {
    throw DataError(
        "the logits of the model are not finite, so training has diverged; use an earlier "
        "checkpoint");
  }
  std::vector<double> logits(from.begin(), from.end());
  if (options.repetition_penalty > 1) {
    penalize_repetition(logits, text, options.repetition_penalty);
  }
  const auto logit = [&](int32_t token) { return logits[static_cast<std::size_t>(token)]; };
  const auto is_likelier = [&](int32_t a, int32_t b) {
    return logit(a) > logit(b) || (logit(a) == logit(b) && a < b);
  };
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  if (options.temperature == 0) return *std::min_element(order.begin(), order.end(), is_likelier);
  const std::size_t kept = options.top_k > 0
                               ? std::min(order.size(), static_cast<std::size_t>(options.top_k))
                               : order.size();
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    is_likelier);
  order.resize(kept);
  std::vector<double> sums;
  double sum = 0;
  for (const int32_t token : order) {
    sum += std::exp((logit(token) - logit(order.front())) / options.temperature);
    sums.push_back(sum);
  }
  sums.resize(nucleus(sums, options.top_p));
  const auto chosen = std::lower_bound(sums.begin(), sums.end(), uniform * sums.back());
  return order[std::min(static_cast<std::size_t>(chosen - sums.begin()), sums.size() - 1)];
}

TextGenerator::TextGenerator(nn::LanguageModel& model, std::vector<int32_t> prompt,
                             const SamplingOptions& sampling, const GenerationOptions& options)
    : model_(model),
      sampling_(sampling),
      options_(options),
      texts_(static_cast<std::size_t>(std::max<int64_t>(options.samples, 0)), prompt),
      cache_(model.make_cache(options.samples)) {
  check(sampling);
  if (prompt.empty()) fail("generation: the prompt is empty; it must have at least one token");
}

Tensor TextGenerator::next_logits() {
  const NoGrad no_grad;
  const auto known = static_cast<int64_t>(texts_.front().size());
  const int64_t context = model_.context();
  // What the cache does not hold: the prompt at first, and one token later.
  int64_t begin = generated_ == 0 ? 0 : known - 1;
  if (generated_ == 0 ? known > context : cache_.length() == context) {
    cache_.clear();
    begin = known - (generated_ == 0 ? context : std::max<int64_t>(1, context / 2));
  }
  std::vector<int32_t> ids;
  for (const std::vector<int32_t>& text : texts_) {
    ids.insert(ids.end(), text.begin() + begin, text.end());
  }
  const Device device = cache_.device();
  const Tensor input = Tensor::of<int32_t>({options_.samples, known - begin}, ids).to(device);
  return model_.next_logits(input, cache_).to(DType::float32).to(Device::cpu());
}

std::vector<int32_t> TextGenerator::next() {
  const Tensor logits = next_logits();
  const auto row = static_cast<std::size_t>(logits.size(1));
  const std::size_t vocabulary =
      options_.vocabulary > 0 ? static_cast<std::size_t>(options_.vocabulary) : row;
  std::vector<int32_t> tokens;
  for (std::size_t sample = 0; sample < texts_.size(); ++sample) {
    const kernels::RandomKey key{options_.seed, random_stream("generate"), sample};
    const auto random = kernels::philox(key, static_cast<uint64_t>(generated_));
    const std::span<const float> of_sample(logits.data<float>() + sample * row, vocabulary);
    tokens.push_back(
        choose(of_sample, texts_[sample], sampling_, kernels::to_uniform(random.word[0])));
    texts_[sample].push_back(tokens.back());
  }
  ++generated_;
  return tokens;
}

}  // namespace ripieno
