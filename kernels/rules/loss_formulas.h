// The terms of element-wise losses and their derivatives, shared by the backends.
//
// value(x, t, p): the term of a prediction x and a target t; by_prediction and by_target: its
// derivatives. p: the parameters of PointwiseParameters.
#pragma once

#include <cmath>

#include "ripieno/kernels/formulas/formula.h"
#include "ripieno/kernels/pointwise_loss.h"

namespace ripieno::kernels::formulas {

// positive_weight: of a target of 1 (binary_cross_entropy); width: of the quadratic part (huber,
// smooth_l1).
template <typename A>
struct PointwiseParameters {
  A positive_weight = A(1), width = A(1);
};

// -1, 0 or 1; NaN stays NaN.
template <typename A>
RIPIENO_FORMULA A sign(A x) {
  return x > A(0) ? A(1) : x < A(0) ? A(-1) : A(0) * x;
}

template <PointwiseLoss loss>
struct PointwiseFormula;

// All losses of the difference x - t.
template <typename Formula>
struct DifferenceFormula {
  template <typename A>
  RIPIENO_FORMULA static A value(A x, A t, const PointwiseParameters<A>& p) {
    return Formula::of(x - t, p.width);
  }
  template <typename A>
  RIPIENO_FORMULA static A by_prediction(A x, A t, const PointwiseParameters<A>& p) {
    return Formula::derivative(x - t, p.width);
  }
  template <typename A>
  RIPIENO_FORMULA static A by_target(A x, A t, const PointwiseParameters<A>& p) {
    return -Formula::derivative(x - t, p.width);
  }
};

template <>
struct PointwiseFormula<PointwiseLoss::kSquared>
    : DifferenceFormula<PointwiseFormula<PointwiseLoss::kSquared>> {
  template <typename A>
  RIPIENO_FORMULA static A of(A d, A) {
    return d * d;
  }
  template <typename A>
  RIPIENO_FORMULA static A derivative(A d, A) {
    return A(2) * d;
  }
};

template <>
struct PointwiseFormula<PointwiseLoss::kAbsolute>
    : DifferenceFormula<PointwiseFormula<PointwiseLoss::kAbsolute>> {
  template <typename A>
  RIPIENO_FORMULA static A of(A d, A) {
    return std::abs(d);
  }
  template <typename A>
  RIPIENO_FORMULA static A derivative(A d, A) {
    return sign(d);
  }
};

template <>
struct PointwiseFormula<PointwiseLoss::kHuber>
    : DifferenceFormula<PointwiseFormula<PointwiseLoss::kHuber>> {
  template <typename A>
  RIPIENO_FORMULA static A of(A d, A width) {
    const A size = std::abs(d);
    return size < width ? A(0.5) * d * d : width * (size - A(0.5) * width);
  }
  template <typename A>
  RIPIENO_FORMULA static A derivative(A d, A width) {
    return std::abs(d) < width ? d : width * sign(d);
  }
};

template <>
struct PointwiseFormula<PointwiseLoss::kSmoothL1>
    : DifferenceFormula<PointwiseFormula<PointwiseLoss::kSmoothL1>> {
  template <typename A>
  RIPIENO_FORMULA static A of(A d, A width) {
    const A size = std::abs(d);
    return size < width ? A(0.5) * d * d / width : size - A(0.5) * width;
  }
  template <typename A>
  RIPIENO_FORMULA static A derivative(A d, A width) {
    return std::abs(d) < width ? d / width : sign(d);
  }
};

template <>
struct PointwiseFormula<PointwiseLoss::kBinaryCrossEntropy> {
  // log(1 + exp(-x)), without overflow.
  template <typename A>
  RIPIENO_FORMULA static A softplus_of_negative(A x) {
    return std::log1p(std::exp(-std::abs(x))) + (x < A(0) ? -x : A(0));
  }
  template <typename A>
  RIPIENO_FORMULA static A value(A x, A t, const PointwiseParameters<A>& p) {
    const A weight = A(1) + (p.positive_weight - A(1)) * t;
    return (A(1) - t) * x + weight * softplus_of_negative(x);
  }
  template <typename A>
  RIPIENO_FORMULA static A by_prediction(A x, A t, const PointwiseParameters<A>& p) {
    const A weight = A(1) + (p.positive_weight - A(1)) * t;
    return (A(1) - t) - weight / (A(1) + std::exp(x));
  }
  template <typename A>
  RIPIENO_FORMULA static A by_target(A x, A, const PointwiseParameters<A>& p) {
    return (p.positive_weight - A(1)) * softplus_of_negative(x) - x;
  }
};

// x: a log-probability; t: a probability.
template <>
struct PointwiseFormula<PointwiseLoss::kDivergence> {
  template <typename A>
  RIPIENO_FORMULA static A value(A x, A t, const PointwiseParameters<A>&) {
    return t == A(0) ? A(0) : t * (std::log(t) - x);
  }
  template <typename A>
  RIPIENO_FORMULA static A by_prediction(A, A t, const PointwiseParameters<A>&) {
    return -t;
  }
  template <typename A>
  RIPIENO_FORMULA static A by_target(A x, A t, const PointwiseParameters<A>&) {
    return std::log(t) + A(1) - x;
  }
};

// x, t: log-probabilities.
template <>
struct PointwiseFormula<PointwiseLoss::kDivergenceOfLogs> {
  template <typename A>
  RIPIENO_FORMULA static A value(A x, A t, const PointwiseParameters<A>&) {
    const A probability = std::exp(t);
    return probability == A(0) ? A(0) : probability * (t - x);
  }
  template <typename A>
  RIPIENO_FORMULA static A by_prediction(A, A t, const PointwiseParameters<A>&) {
    return -std::exp(t);
  }
  template <typename A>
  RIPIENO_FORMULA static A by_target(A x, A t, const PointwiseParameters<A>&) {
    const A probability = std::exp(t);
    return probability == A(0) ? A(0) : probability * (t - x + A(1));
  }
};

// Host only. Calls body with the formula of `loss`, so that kernels are compiled for each.
template <typename Body>
void with_pointwise(PointwiseLoss loss, Body&& body) {
  switch (loss) {
    case PointwiseLoss::kSquared:
      return body(PointwiseFormula<PointwiseLoss::kSquared>{});
    case PointwiseLoss::kAbsolute:
      return body(PointwiseFormula<PointwiseLoss::kAbsolute>{});
    case PointwiseLoss::kHuber:
      return body(PointwiseFormula<PointwiseLoss::kHuber>{});
    case PointwiseLoss::kSmoothL1:
      return body(PointwiseFormula<PointwiseLoss::kSmoothL1>{});
    case PointwiseLoss::kBinaryCrossEntropy:
      return body(PointwiseFormula<PointwiseLoss::kBinaryCrossEntropy>{});
    case PointwiseLoss::kDivergence:
      return body(PointwiseFormula<PointwiseLoss::kDivergence>{});
    case PointwiseLoss::kDivergenceOfLogs:
      return body(PointwiseFormula<PointwiseLoss::kDivergenceOfLogs>{});
  }
}

// One term of a loss: its value, or its derivatives, times its weight.
template <typename T, typename Formula>
struct PointwiseTerm {
  using A = accumulator_t<T>;
  PointwiseTerms<T> terms;

  RIPIENO_FORMULA PointwiseParameters<A> parameters(int64_t i) const {
    const A positive = terms.positive_weights ? terms.positive_weights[i % terms.classes] : A(1);
    return {positive, A(terms.width)};
  }
  RIPIENO_FORMULA A weight(int64_t i) const { return terms.weights ? terms.weights[i] : A(1); }
  RIPIENO_FORMULA A value(A x, A t, int64_t i) const {
    return weight(i) * Formula::value(x, t, parameters(i));
  }
  RIPIENO_FORMULA A by_prediction(A x, A t, int64_t i) const {
    return weight(i) * Formula::by_prediction(x, t, parameters(i));
  }
  RIPIENO_FORMULA A by_target(A x, A t, int64_t i) const {
    return weight(i) * Formula::by_target(x, t, parameters(i));
  }
};

}  // namespace ripieno::kernels::formulas
