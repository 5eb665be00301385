// Optimizer steps over a whole arena in one launch, and the scalars that they read.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// A range of an arena whose parameters have the same weight decay and learning rate factor.
// Segments are sorted, do not overlap, and are in the kernel's memory.
struct ParameterSegment {
  int64_t begin = 0, end = 0;  // elements
  float weight_decay = 0.0f;
  float learning_rate_factor = 1.0f;  // multiplies StepScalars::learning_rate
};

// Values that change from step to step. They are in the kernel's memory, so that a captured step
// can be replayed.
enum SkipReason : int64_t {
  kTakesStep = 0,
  kNotFinite,  // a gradient is infinite or NaN
  kOutlier,    // the gradient norm is much larger than those before it
};
struct StepScalars {
  float learning_rate = 0.0f;
  float gradient_scale = 1.0f;     // multiplies gradients first: clip factor / token count
  float first_correction = 1.0f;   // 1 / (1 - beta1^step)
  float second_correction = 1.0f;  // 1 / (1 - beta2^step)
  float gradient_norm = 0.0f;  // after division by the count, before clipping; written for the log
  float loss_scale = 1.0f;     // the scale that the gradients were computed with; for the log
  // If not kTakesStep, the optimizer changes nothing in this step.
  int64_t skips = 0;
  int64_t skipped_steps = 0;  // since training began; for the log
  double step = 1.0;          // number of this step, from 1, without those that were skipped
};

// Sets gradient_norm and gradient_scale: gradient_norm = sqrt(*sum_of_squares) / *count, and
// gradient_scale = min(1, max_norm / gradient_norm) / *count. max_norm <= 0 disables clipping. If
// *count is 0, both are 0.
void finish_step_scalars(OnCpu, StepScalars* scalars, const double* sum_of_squares,
                         const double* count, double max_norm);
void finish_step_scalars(OnCuda, StepScalars* scalars, const double* sum_of_squares,
                         const double* count, double max_norm);

// Dynamic loss scaling (Micikevicius et al., 2018, arXiv 1710.03740): the backward starts from
// `scale` instead of 1, so that small gradients do not underflow in float16. This is the state that
// is kept between steps, in the kernel's memory. With a scale of 1 that is fixed, it only skips bad
// steps.
struct LossScale {
  float scale = 65536.0f;
  int32_t good_steps = 0;  // since the scale last changed
  int64_t steps = 0;       // steps taken, without the skipped ones
  int64_t skipped_steps = 0;
  int64_t is_fixed = 0;  // if nonzero, the scale does not change
  // A step whose gradient norm exceeds outlier_factor * mean_norm is skipped too, once the mean is
  // over kNormsForOutliers norms; 0 disables this.
  double outlier_factor = 0.0;
  double mean_norm = 0.0;  // of the steps taken; a moving average over kNormsInMean of them
  int64_t norms = 0;       // that the mean is over, at most kNormsInMean
};
inline constexpr int64_t kNormsForOutliers = 20, kNormsInMean = 100;
inline constexpr int32_t kGoodStepsToDouble = 2000;
inline constexpr float kLargestLossScale = 0x1p24f, kSmallestLossScale = 0x1p-24f;

// finish_step_scalars() for scaled gradients; also sets `step` and both corrections, 1 / (1 -
// beta^step). If a gradient is not finite, the step is skipped and the scale is halved. After
// kGoodStepsToDouble consecutive steps that were not skipped, the scale is doubled. A step whose
// norm is an outlier is skipped and leaves the scale unchanged.
void finish_scaled_step_scalars(OnCpu, StepScalars* scalars, LossScale* loss_scale,
                                const double* sum_of_squares, const double* count, double max_norm,
                                double beta1, double beta2);
void finish_scaled_step_scalars(OnCuda, StepScalars* scalars, LossScale* loss_scale,
                                const double* sum_of_squares, const double* count, double max_norm,
                                double beta1, double beta2);

// Clips gradient / divisor to [-max_value, max_value] in place, elementwise: gradient becomes at
// most max_value * divisor in magnitude, where divisor = *count times the loss scale (1 if null).
// Elements that are not finite stay so, and skip the step as they would without clipping.
//   gradient: (size)
template <typename T>
void clip_gradient(OnCpu, T* gradient, int64_t size, const double* count,
                   const LossScale* loss_scale, double max_value);
template <typename T>
void clip_gradient(OnCuda, T* gradient, int64_t size, const double* count,
                   const LossScale* loss_scale, double max_value);

// master[i] = parameter[i] where parameter[i] != T(master[i]), so that values written directly to
// the parameters reach the master weights.   master, parameter: (size).   T: bfloat16, float16.
template <typename T>
void update_master(OnCpu, float* master, const T* parameter, int64_t size);
template <typename T>
void update_master(OnCuda, float* master, const T* parameter, int64_t size);

// The inputs and outputs that all optimizer kernels have. Arrays have `size` elements and the arena
// layout that the segments refer to.
template <typename T>
struct ArenaStep {
  T* parameter = nullptr;   // updated
  float* master = nullptr;  // updated: the parameters in float, or null if T is not narrower
  const T* gradient = nullptr;
  int64_t size = 0;
  const ParameterSegment* segments = nullptr;
  int64_t segment_count = 0;
  const StepScalars* scalars = nullptr;
};

// In double, because 1 - beta must be computed from the exact value: 1 - float(0.99999) is off by
// 0.3 %. epsilon must be positive as a float.
struct AdamWConstants {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019, arXiv 1711.05101).
// first_moment, second_moment: (size), updated; zero before step 1. If there is a master, the step
// updates it and sets parameter = T(master).
template <typename T>
void adamw(OnCpu, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
           const AdamWConstants& constants);
template <typename T>
void adamw(OnCuda, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
           const AdamWConstants& constants);

struct SgdConstants {
  float momentum = 0.0f;
  bool nesterov = false;
};

// SGD as in PyTorch: velocity = momentum * velocity + g, and the step uses velocity, or
// g + momentum * velocity with Nesterov momentum. Weight decay is added to the gradient. velocity:
// (size), zero before step 1; null if momentum is 0.
template <typename T>
void sgd(OnCpu, const ArenaStep<T>& arena, float* velocity, const SgdConstants& constants);
template <typename T>
void sgd(OnCuda, const ArenaStep<T>& arena, float* velocity, const SgdConstants& constants);

}  // namespace ripieno::kernels
