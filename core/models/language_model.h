// LanguageModel: what training, generation and evaluation need of a model that predicts the next
// token, whatever its architecture.
#pragma once

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/models/key_value_cache.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/attention.h"

namespace ripieno::nn {

// What the backward recomputes instead of saving it (recomputation.h).
enum class Recompute { none, blocks };

class LanguageModel : public Module {
 public:
  // The cross entropy of predicting `targets` from `ids`, both (batch, time), int32; kIgnoredTarget
  // is left out. The logits are never held as a whole (linear_cross_entropy.h). With `documents`
  // attention does not cross documents, and positions begin with each of them.
  virtual Loss loss(const Tensor& ids, const Tensor& targets,
                    const DocumentRanges& documents) const = 0;
  Loss loss(const Tensor& ids, const Tensor& targets) const { return loss(ids, targets, {}); }

  // The logits of each token, (batch, time, vocab).
  virtual Tensor logits(const Tensor& ids, const DocumentRanges& documents) const = 0;

  // The logits of the token after `ids`, (batch, vocab): `ids`, (batch, time), int32, follow the
  // tokens in the cache, to which they are added. Within a NoGrad.
  virtual Tensor next_logits(const Tensor& ids, KeyValueCache& cache) const = 0;
  // An empty cache for `batch` texts, for the parameters' element type and device.
  virtual KeyValueCache make_cache(int64_t batch) = 0;

  virtual int64_t context() const = 0;     // maximum number of tokens
  virtual int64_t vocabulary() const = 0;  // including padding
};

}  // namespace ripieno::nn
