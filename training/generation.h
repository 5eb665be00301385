// Generation: continues a text with a language model, token by token.
//
//   TextGenerator generator(model, prompt, {.temperature = 0.8}, {.samples = 4});
//   const std::vector<int32_t> tokens = generator.next();  // one of each sample
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ripieno/core/models/language_model.h"

namespace ripieno {

// How a token is chosen from its logits. They are applied in this order.
struct SamplingOptions {
  // Divides the positive logits of tokens that the text has already, and multiplies the negative
  // ones (Keskar et al., 2019, arXiv 1909.05858); at least 1, which disables it.
  double repetition_penalty = 1.0;
  double temperature = 1.0;  // divides the logits; 0: the likeliest token
  int64_t top_k = 0;         // the number of likeliest tokens to sample from; 0: all
  // The smallest number of likeliest tokens whose probabilities add up to this; in (0, 1].
  double top_p = 1.0;
};

// Throws ConfigurationError for options outside their domain.
void check(const SamplingOptions& options);

// Samples a token. `text`: the tokens so far; `uniform`: a random number in (0, 1]. Of tokens with
// equal logits the first is the likelier one. Throws DataError if a logit is NaN or infinite.
int32_t choose(std::span<const float> logits, std::span<const int32_t> text,
               const SamplingOptions& options, double uniform);

struct GenerationOptions {
  int64_t samples = 1;
  uint64_t seed = 1;
  int64_t vocabulary = 0;  // of the tokenizer: the logits of padding are left out; 0: all
};

// Continues one prompt several times at once. Sample i is a function of (model, prompt, options,
// seed, i): the random numbers do not depend on the number of samples.
//
// Keys and values are cached, so a token costs one position. When the context of the model is full,
// the generator goes on behind the last half of it.
class TextGenerator {
 public:
  // `model` must outlive this object. Throws Error if the prompt is empty, ConfigurationError as
  // check().
  TextGenerator(nn::LanguageModel& model, std::vector<int32_t> prompt,
                const SamplingOptions& sampling, const GenerationOptions& options);

  // Appends one token to each sample, and returns them.
  std::vector<int32_t> next();
  // The prompt and what was generated.
  std::span<const int32_t> text(int64_t sample) const {
    return texts_[static_cast<std::size_t>(sample)];
  }

 private:
  Tensor next_logits();  // (samples, vocabulary), on the CPU

  nn::LanguageModel& model_;
  SamplingOptions sampling_;
  GenerationOptions options_;
  std::vector<std::vector<int32_t>> texts_;
  nn::KeyValueCache cache_;
  int64_t generated_ = 0;
};

}  // namespace ripieno
