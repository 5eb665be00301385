// One row of a weighted cross entropy, shared by the backends.
#pragma once

#include <cmath>
#include <limits>

#include "ripieno/kernels/formulas/formula.h"
#include "ripieno/kernels/weighted_cross_entropy.h"

namespace ripieno::kernels::formulas {

// `widen`: from T to accumulator_t<T>.
template <typename T, typename Widen>
struct WeightedRow {
  using A = accumulator_t<T>;
  WeightedCrossEntropy<T> of;
  int64_t row;
  Widen widen;

  RIPIENO_FORMULA A logit(int64_t c) const { return widen(of.logits[row * of.classes + c]); }
  RIPIENO_FORMULA A weight(int64_t c) const {
    return of.class_weights ? of.class_weights[c] : A(1);
  }
  RIPIENO_FORMULA int32_t target() const { return of.targets ? of.targets[row] : 0; }
  RIPIENO_FORMULA bool is_ignored() const { return of.targets && target() == of.ignored; }
  RIPIENO_FORMULA bool is_known() const {
    return !of.targets || (target() >= 0 && target() < of.classes);
  }
  RIPIENO_FORMULA bool counts() const { return is_known() && !is_ignored(); }
  // The weighted probability of a class; requires counts().
  RIPIENO_FORMULA A share(int64_t c) const {
    const A certain =
        of.targets ? A(c == target() ? 1 : 0) : widen(of.probabilities[row * of.classes + c]);
    const A smoothing = A(of.smoothing);
    return weight(c) * ((A(1) - smoothing) * certain + smoothing / A(of.classes));
  }
  RIPIENO_FORMULA A count() const {
    if (is_ignored()) return A(0);
    return of.targets && is_known() ? weight(target()) : A(1);
  }
  // The term of a class, where log_sum_exp is 0 for log-probabilities. 0 if its share is 0.
  RIPIENO_FORMULA A term(int64_t c, A largest, A log_sum) const {
    const A q = share(c);
    return q == A(0) ? A(0) : q * ((largest - logit(c)) + log_sum);
  }
  // statistics: those of the row.
  RIPIENO_FORMULA A gradient(int64_t c, const A* statistics) const {
    if (!counts()) return A(0);
    const A softmax =
        of.is_normalized ? A(0) : std::exp((logit(c) - statistics[0]) - statistics[1]);
    return statistics[2] * softmax - share(c);
  }
  RIPIENO_FORMULA A probability_gradient(int64_t c, const A* statistics) const {
    return weight(c) * (A(1) - A(of.smoothing)) * ((statistics[0] - logit(c)) + statistics[1]);
  }
};

}  // namespace ripieno::kernels::formulas
