// LanguageModelSettings: the configuration keys of a model that predicts the next token of a text.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ripieno/core/models/language_model.h"
#include "ripieno/training/models/model_settings.h"

namespace ripieno {

class LanguageModelSettings : public ModelSettings {
 public:
  bool reads_tokens() const final { return true; }
  std::unique_ptr<nn::Module> build(const DataShape& data) const final {
    return build_for(data.vocabulary);
  }
  // Throws ConfigurationError as build() does, and if model.vocab is smaller than
  // `data_vocabulary`.
  virtual std::unique_ptr<nn::LanguageModel> build_for(int64_t data_vocabulary) const = 0;
  virtual int64_t context() const = 0;  // tokens of a window
  virtual int64_t vocab() const = 0;    // 0: that of the data
  std::function<Loss()> loss_of_random_rows(nn::Module& model, const DataShape& data,
                                            int64_t rows) const final;

 protected:
  // model.vocab, or the vocabulary of the data if that is 0. Throws ConfigurationError if it is
  // smaller than that of the data.
  static int64_t fitted_vocabulary(int64_t vocab, int64_t data_vocabulary);
  // The keys that all kinds have.
  static void bind_shared(Settings& settings, std::string* kind, int64_t* vocab, int64_t* layers,
                          int64_t* heads, int64_t* channels, int64_t* context,
                          nn::Recompute* recompute);
};

}  // namespace ripieno
