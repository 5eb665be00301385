// Optimizer steps over a whole arena in one launch.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// A range of an arena whose parameters share a weight decay and a learning rate. Segments are in
// order, do not overlap, and lie where the kernel runs.
struct ParameterSegment {
  int64_t begin = 0, end = 0;  // elements
  float weight_decay = 0.0f;
  float learning_rate_factor = 1.0f;  // of StepScalars::learning_rate
};

// What changes from step to step. Lives where the kernel runs, so that a step can be captured and
// replayed.
struct StepScalars {
  float learning_rate = 0.0f;
  float gradient_scale = 1.0f;     // applied to gradients first: clip factor / token count
  float first_correction = 1.0f;   // 1 / (1 - beta1^step)
  float second_correction = 1.0f;  // 1 / (1 - beta2^step)
  float gradient_norm = 0.0f;  // after division by the count, before clipping; written for the log
  float loss_scale = 1.0f;     // that the gradients were made with; for the log
  int64_t skips = 0;           // not 0: the optimizer leaves everything as it is
  int64_t skipped_steps = 0;   // since training began; for the log
};

// Fills in the two fields that depend on gradients: with s = sqrt(*sum_of_squares) / *count the
// norm, gradient_scale = min(1, max_norm / s) / *count. max_norm <= 0: no clipping. A count of 0
// gives a scale of 0.
void finish_step_scalars(OnCpu, StepScalars* scalars, const double* sum_of_squares,
                         const double* count, double max_norm);
void finish_step_scalars(OnCuda, StepScalars* scalars, const double* sum_of_squares,
                         const double* count, double max_norm);

// Dynamic loss scaling (Micikevicius et al., 2018, arXiv 1710.03740): backward begins with `scale`
// in place of 1, so that small gradients survive in float16. What it keeps from step to step; lives
// where the kernel runs.
struct LossScale {
  float scale = 65536.0f;
  int32_t good_steps = 0;  // since the scale last changed
  int64_t steps = 0;       // that were taken
  int64_t skipped_steps = 0;
};
inline constexpr int32_t kGoodStepsToDouble = 2000;
inline constexpr float kLargestLossScale = 0x1p24f, kSmallestLossScale = 0x1p-24f;

// finish_step_scalars for gradients that were scaled, and the two corrections as well, for
// 1 - beta^steps. Where a gradient is not finite, the step is skipped and the scale halved; after
// kGoodStepsToDouble steps in a row that were taken it is doubled.
void finish_scaled_step_scalars(OnCpu, StepScalars* scalars, LossScale* loss_scale,
                                const double* sum_of_squares, const double* count, double max_norm,
                                double beta1, double beta2);
void finish_scaled_step_scalars(OnCuda, StepScalars* scalars, LossScale* loss_scale,
                                const double* sum_of_squares, const double* count, double max_norm,
                                double beta1, double beta2);

// master[i] = parameter[i] where parameter[i] is not T(master[i]): values that were written to the
// parameters directly replace the master weights.   master, parameter: (size).   T: 16 bits wide
template <typename T>
void update_master(OnCpu, float* master, const T* parameter, int64_t size);
template <typename T>
void update_master(OnCuda, float* master, const T* parameter, int64_t size);

// What one step updates, and with what. Arrays have `size` elements and cover the same part of an
// arena as the segments.
template <typename T>
struct ArenaStep {
  T* parameter = nullptr;   // updated
  float* master = nullptr;  // updated: the parameters in float where T is narrower, or null
  const T* gradient = nullptr;
  int64_t size = 0;
  const ParameterSegment* segments = nullptr;
  int64_t segment_count = 0;
  const StepScalars* scalars = nullptr;
};

// In double: 1 - beta is computed from the exact value, since float(0.99999) is off by 0.3 % there.
// epsilon is positive in float.
struct AdamWConstants {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019).
// first_moment, second_moment: (size), updated; zero before step 1. With a master, parameter =
// T(master) afterwards.
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

// SGD as in PyTorch: velocity = momentum * velocity + g; the step follows velocity, or g + momentum
// * velocity with Nesterov's. Weight decay is added to the gradient. velocity: null where momentum
// is 0; zero before step 1.
template <typename T>
void sgd(OnCpu, const ArenaStep<T>& arena, float* velocity, const SgdConstants& constants);
template <typename T>
void sgd(OnCuda, const ArenaStep<T>& arena, float* velocity, const SgdConstants& constants);

}  // namespace ripieno::kernels
