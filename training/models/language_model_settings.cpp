#include "ripieno/training/models/language_model_settings.h"

#include <fmt/format.h>

#include <random>
#include <vector>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

Tensor random_ids(int64_t rows, const nn::LanguageModel& model, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(model.vocabulary() - 1));
  std::vector<int32_t> ids(static_cast<std::size_t>(rows * model.context()));
  for (int32_t& id : ids) id = draw(random);
  return Tensor::of<int32_t>({rows, model.context()}, ids);
}

}  // namespace

std::function<Loss()> LanguageModelSettings::loss_of_random_rows(nn::Module& module,
                                                                 const DataShape&,
                                                                 int64_t rows) const {
  const auto& model = dynamic_cast<const nn::LanguageModel&>(module);
  return [&model, ids = random_ids(rows, model, 1), targets = random_ids(rows, model, 2)] {
    return model.loss(ids, targets);
  };
}

int64_t LanguageModelSettings::fitted_vocabulary(int64_t vocab, int64_t data_vocabulary) {
  if (vocab == 0) return data_vocabulary;
  if (vocab >= data_vocabulary) return vocab;
  throw ConfigurationError(fmt::format(
      "model.vocab is {}, but the vocabulary of the data has {} tokens; set it to 0 or to at least "
      "that number",
      vocab, data_vocabulary));
}

void LanguageModelSettings::bind_shared(Settings& settings, std::string* kind, int64_t* vocab,
                                        int64_t* layers, int64_t* heads, int64_t* channels,
                                        int64_t* context, nn::Recompute* recompute) {
  constexpr double kLargest = 1 << 20;
  settings.add("model.kind", kind, "kind of model", Accepts::one_of({*kind}));
  settings.add("model.vocab", vocab,
               "vocabulary size in tokens; 0: the vocabulary size of the data",
               Accepts::between(0, 1 << 30));
  settings.add("model.layers", layers, "number of transformer blocks",
               Accepts::between(1, kLargest));
  settings.add("model.heads", heads, "number of attention heads per block",
               Accepts::between(1, kLargest));
  settings.add("model.channels", channels,
               "width of the model (size of an embedding); must be a multiple of model.heads",
               Accepts::between(1, kLargest));
  settings.add("model.context", context,
               "context length: the maximum number of tokens in a sequence",
               Accepts::between(1, kLargest));
  settings.add(
      "train.recompute",
      choice(recompute, {{"none", nn::Recompute::none}, {"blocks", nn::Recompute::blocks}}),
      "what the backward pass recomputes instead of keeping it in memory (activation "
      "checkpointing)");
  settings.may_change("model.vocab");  // another value changes shapes, which are compared anyway
}

}  // namespace ripieno
