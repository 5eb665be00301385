#include "ripieno/kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "ripieno/kernels/cpu/support/arena_walk.h"
#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

SkipReason skip_reason(const LossScale& state, double sum_of_squares, double norm) {
  if (!std::isfinite(sum_of_squares)) return kNotFinite;
  const bool compares = state.outlier_factor > 0 && state.norms >= kNormsForOutliers;
  return compares && norm > state.outlier_factor * state.mean_norm ? kOutlier : kTakesStep;
}

// A step without samples says nothing about the norms of others.
void add_norm(LossScale& state, double norm) {
  if (norm == 0) return;
  state.norms = std::min(state.norms + 1, kNormsInMean);
  state.mean_norm += (norm - state.mean_norm) / static_cast<double>(state.norms);
}

}  // namespace

void finish_step_scalars(OnCpu, StepScalars* scalars, const double* sum_of_squares,
                         const double* count, double max_norm) {
  if (!(*count > 0.0)) {
    scalars->gradient_scale = 0.0f;
    scalars->gradient_norm = 0.0f;
    return;
  }
  const double norm = std::sqrt(*sum_of_squares) / *count;
  const double clip = max_norm > 0.0 && norm > max_norm ? max_norm / norm : 1.0;
  scalars->gradient_scale = static_cast<float>(clip / *count);
  scalars->gradient_norm = static_cast<float>(norm);
}

void finish_scaled_step_scalars(OnCpu on, StepScalars* scalars, LossScale* loss_scale,
                                const double* sum_of_squares, const double* count, double max_norm,
                                double beta1, double beta2) {
  LossScale& state = *loss_scale;
  const double divisor = *count * static_cast<double>(state.scale);
  finish_step_scalars(on, scalars, sum_of_squares, &divisor, max_norm);
  scalars->loss_scale = state.scale;
  const double norm = *count > 0 ? std::sqrt(*sum_of_squares) / divisor : 0;
  scalars->skips = skip_reason(state, *sum_of_squares, norm);
  if (scalars->skips) {
    ++state.skipped_steps;
  } else {
    ++state.steps;
    add_norm(state, norm);
  }
  if (!state.is_fixed && scalars->skips == kNotFinite) {
    state.scale = std::max(state.scale / 2, kSmallestLossScale);
    state.good_steps = 0;
  } else if (!state.is_fixed && !scalars->skips && ++state.good_steps == kGoodStepsToDouble) {
    state.scale = std::min(state.scale * 2, kLargestLossScale);
    state.good_steps = 0;
  }
  const auto steps = static_cast<double>(state.steps);
  scalars->step = steps;
  scalars->first_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta1, steps)));
  scalars->second_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta2, steps)));
  scalars->skipped_steps = state.skipped_steps;
}

template <typename T>
void clip_gradient(OnCpu, T* gradient, int64_t size, const double* count,
                   const LossScale* loss_scale, double max_value) {
  using A = accumulator_t<T>;
  const double scale = loss_scale ? static_cast<double>(loss_scale->scale) : 1.0;
  const A limit = static_cast<A>(max_value * *count * scale);
  cpu::parallel_for((size + cpu::kBlock - 1) / cpu::kBlock, cpu::kBlock, [&](int64_t block) {
    const int64_t begin = block * cpu::kBlock, end = std::min(size, begin + cpu::kBlock);
    for (int64_t i = begin; i < end; ++i) {
      const A value = static_cast<A>(gradient[i]);
      if (std::abs(value) > limit && std::isfinite(value))
        gradient[i] = static_cast<T>(std::copysign(limit, value));
    }
  });
}

template <typename T>
void update_master(OnCpu, float* master, const T* parameter, int64_t size) {
  cpu::for_each_block(size, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float value = static_cast<float>(parameter[i]);
      master[i] = static_cast<float>(cpu::convert<T>(master[i])) == value ? master[i] : value;
    }
  });
}

template <typename T>
void adamw(OnCpu, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
           const AdamWConstants& constants) {
  if (arena.scalars->skips) return;
  using A = accumulator_t<T>;
  T* const parameter = arena.parameter;
  float* const master = arena.master;
  const T* const gradient = arena.gradient;
  const StepScalars* const scalars = arena.scalars;
  const A learning_rate = A(scalars->learning_rate), scale = A(scalars->gradient_scale);
  const A first_correction = A(scalars->first_correction);
  const A second_correction = A(scalars->second_correction);
  const A first_share = A(1.0 - constants.beta1), second_share = A(1.0 - constants.beta2);
  const A epsilon = A(constants.epsilon);
  cpu::for_each_segment_block(arena.segments, arena.segment_count, 4,
                              [=](int64_t begin, int64_t end, const ParameterSegment& segment) {
                                const A rate = learning_rate * A(segment.learning_rate_factor);
                                const A keep = A(1) - rate * A(segment.weight_decay);
                                const auto step = [=](A value, int64_t i) {
                                  const A g = A(gradient[i]) * scale;
                                  const A before = A(first_moment[i]),
                                          before2 = A(second_moment[i]);
                                  const A m = before + first_share * (g - before);
                                  const A v = before2 + second_share * (g * g - before2);
                                  first_moment[i] = static_cast<float>(m);
                                  second_moment[i] = static_cast<float>(v);
                                  const A denominator = std::sqrt(v * second_correction) + epsilon;
                                  return keep * value - rate * (m * first_correction) / denominator;
                                };
                                if (master) {
#pragma omp simd
                                  for (int64_t i = begin; i < end; ++i) {
                                    master[i] = static_cast<float>(step(A(master[i]), i));
                                    parameter[i] = cpu::convert<T>(static_cast<A>(master[i]));
                                  }
                                } else {
#pragma omp simd
                                  for (int64_t i = begin; i < end; ++i)
                                    parameter[i] = cpu::convert<T>(step(A(parameter[i]), i));
                                }
                              });
}

template <typename T>
void sgd(OnCpu, const ArenaStep<T>& arena, float* velocity, const SgdConstants& constants) {
  if (arena.scalars->skips) return;
  using A = accumulator_t<T>;
  T* const parameter = arena.parameter;
  float* const master = arena.master;
  const T* const gradient = arena.gradient;
  const StepScalars* const scalars = arena.scalars;
  const A learning_rate = A(scalars->learning_rate), scale = A(scalars->gradient_scale);
  const A momentum = A(constants.momentum);
  const bool nesterov = constants.nesterov;
  cpu::for_each_segment_block(arena.segments, arena.segment_count, 2,
                              [=](int64_t begin, int64_t end, const ParameterSegment& segment) {
                                const A rate = learning_rate * A(segment.learning_rate_factor);
                                const A weight_decay = A(segment.weight_decay);
                                const auto step = [=](A value, int64_t i) {
                                  const A g = A(gradient[i]) * scale + weight_decay * value;
                                  if (!velocity) return value - rate * g;
                                  const A v = momentum * A(velocity[i]) + g;
                                  velocity[i] = static_cast<float>(v);
                                  return value - rate * (nesterov ? g + momentum * v : v);
                                };
                                if (master) {
#pragma omp simd
                                  for (int64_t i = begin; i < end; ++i) {
                                    master[i] = static_cast<float>(step(A(master[i]), i));
                                    parameter[i] = cpu::convert<T>(static_cast<A>(master[i]));
                                  }
                                } else {
#pragma omp simd
                                  for (int64_t i = begin; i < end; ++i)
                                    parameter[i] = cpu::convert<T>(step(A(parameter[i]), i));
                                }
                              });
}

template void clip_gradient(OnCpu, float*, int64_t, const double*, const LossScale*, double);
template void clip_gradient(OnCpu, double*, int64_t, const double*, const LossScale*, double);
template void clip_gradient(OnCpu, bfloat16*, int64_t, const double*, const LossScale*, double);
template void clip_gradient(OnCpu, float16*, int64_t, const double*, const LossScale*, double);

template void update_master(OnCpu, float*, const bfloat16*, int64_t);
template void update_master(OnCpu, float*, const float16*, int64_t);

template void adamw(OnCpu, const ArenaStep<float>&, float*, float*, const AdamWConstants&);
template void adamw(OnCpu, const ArenaStep<double>&, float*, float*, const AdamWConstants&);
template void adamw(OnCpu, const ArenaStep<bfloat16>&, float*, float*, const AdamWConstants&);
template void adamw(OnCpu, const ArenaStep<float16>&, float*, float*, const AdamWConstants&);

template void sgd(OnCpu, const ArenaStep<float>&, float*, const SgdConstants&);
template void sgd(OnCpu, const ArenaStep<double>&, float*, const SgdConstants&);
template void sgd(OnCpu, const ArenaStep<bfloat16>&, float*, const SgdConstants&);
template void sgd(OnCpu, const ArenaStep<float16>&, float*, const SgdConstants&);

}  // namespace ripieno::kernels
