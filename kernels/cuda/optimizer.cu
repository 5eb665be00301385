#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels {
namespace {

// The segments lie on the device, so nobody here knows how long the arena is: as many blocks as
// keep a large GPU busy walk over it.
constexpr unsigned kBlocks = 512;

cuda::LaunchShape over_arena(OnCuda on) {
  return {dim3(kBlocks), dim3(cuda::kBlockSize), 0, on.stream};
}

// The parameter at i, from its master where it has one, in what it is computed with.
template <typename T>
__device__ accumulator_t<T> read(const T* parameter, const float* master, int64_t i) {
  return master ? accumulator_t<T>(master[i]) : cuda::widen(parameter[i]);
}

template <typename T>
__device__ void write(T* parameter, float* master, int64_t i, accumulator_t<T> value) {
  if (master) master[i] = static_cast<float>(value);
  parameter[i] = static_cast<T>(master ? accumulator_t<T>(master[i]) : value);
}

__device__ void finish(StepScalars* scalars, double sum_of_squares, double count, double max_norm) {
  const double norm = count > 0 ? std::sqrt(sum_of_squares) / count : 0;
  const double clip = max_norm > 0 && norm > max_norm ? max_norm / norm : 1;
  scalars->gradient_norm = static_cast<float>(norm);
  scalars->gradient_scale = count > 0 ? static_cast<float>(clip / count) : 0.0f;
}

// One thread, here and below.
__global__ void finish_step_scalars_kernel(StepScalars* scalars, const double* sum_of_squares,
                                           const double* count, double max_norm) {
  finish(scalars, *sum_of_squares, *count, max_norm);
}

__global__ void finish_scaled_step_scalars_kernel(StepScalars* scalars, LossScale* loss_scale,
                                                  const double* sum_of_squares, const double* count,
                                                  double max_norm, double beta1, double beta2) {
  LossScale kept = *loss_scale;
  finish(scalars, *sum_of_squares, *count * static_cast<double>(kept.scale), max_norm);
  scalars->loss_scale = kept.scale;
  scalars->skips = !std::isfinite(*sum_of_squares);
  if (scalars->skips) {
    kept.scale = fmaxf(kept.scale / 2, kSmallestLossScale);
    kept.good_steps = 0;
    ++kept.skipped_steps;
  } else if (++kept.steps; ++kept.good_steps == kGoodStepsToDouble) {
    kept.scale = fminf(kept.scale * 2, kLargestLossScale);
    kept.good_steps = 0;
  }
  const auto steps = static_cast<double>(kept.steps);
  scalars->first_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta1, steps)));
  scalars->second_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta2, steps)));
  scalars->skipped_steps = kept.skipped_steps;
  *loss_scale = kept;
}

// Each thread takes every (threads of the grid)-th element of each segment, here and below.
template <typename T>
__global__ void adamw_kernel(T* parameter, float* master, float* first_moment, float* second_moment,
                             const T* gradient, const DecaySegment* segments, int64_t segment_count,
                             const StepScalars* scalars, AdamWConstants constants) {
  using A = accumulator_t<T>;
  const StepScalars step = *scalars;
  if (step.skips) return;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  const A beta1 = constants.beta1, beta2 = constants.beta2;
  for (int64_t s = 0; s < segment_count; ++s) {
    const A kept = A(1) - A(step.learning_rate) * A(segments[s].weight_decay);
    for (int64_t i = segments[s].begin + cuda::global_thread(); i < segments[s].end; i += stride) {
      const A g = cuda::widen(gradient[i]) * A(step.gradient_scale);
      const A m = beta1 * A(first_moment[i]) + (A(1) - beta1) * g;
      const A v = beta2 * A(second_moment[i]) + (A(1) - beta2) * g * g;
      first_moment[i] = static_cast<float>(m);
      second_moment[i] = static_cast<float>(v);
      const A deviation = std::sqrt(v * A(step.second_correction)) + A(constants.epsilon);
      const A change = A(step.learning_rate) * (m * A(step.first_correction)) / deviation;
      write(parameter, master, i, kept * read(parameter, master, i) - change);
    }
  }
}

template <typename T>
__global__ void sgd_kernel(T* parameter, float* master, float* velocity, const T* gradient,
                           const DecaySegment* segments, int64_t segment_count,
                           const StepScalars* scalars, SgdConstants constants) {
  using A = accumulator_t<T>;
  const StepScalars step = *scalars;
  if (step.skips) return;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t s = 0; s < segment_count; ++s) {
    for (int64_t i = segments[s].begin + cuda::global_thread(); i < segments[s].end; i += stride) {
      const A p = read(parameter, master, i);
      A direction =
          cuda::widen(gradient[i]) * A(step.gradient_scale) + A(segments[s].weight_decay) * p;
      if (velocity) {
        const A v = A(constants.momentum) * A(velocity[i]) + direction;
        velocity[i] = static_cast<float>(v);
        direction = constants.nesterov ? direction + A(constants.momentum) * v : v;
      }
      write(parameter, master, i, p - A(step.learning_rate) * direction);
    }
  }
}

}  // namespace

void finish_step_scalars(OnCuda on, StepScalars* scalars, const double* sum_of_squares,
                         const double* count, double max_norm) {
  const cuda::LaunchShape one_thread{dim3(1), dim3(1), 0, on.stream};
  cuda::launch(finish_step_scalars_kernel, one_thread, scalars, sum_of_squares, count, max_norm);
}

void finish_scaled_step_scalars(OnCuda on, StepScalars* scalars, LossScale* loss_scale,
                                const double* sum_of_squares, const double* count, double max_norm,
                                double beta1, double beta2) {
  const cuda::LaunchShape one_thread{dim3(1), dim3(1), 0, on.stream};
  cuda::launch(finish_scaled_step_scalars_kernel, one_thread, scalars, loss_scale, sum_of_squares,
               count, max_norm, beta1, beta2);
}

template <typename T>
void adamw(OnCuda on, T* parameter, float* master, float* first_moment, float* second_moment,
           const T* gradient, const DecaySegment* segments, int64_t segment_count,
           const StepScalars* scalars, const AdamWConstants& constants) {
  cuda::launch(adamw_kernel<T>, over_arena(on), parameter, master, first_moment, second_moment,
               gradient, segments, segment_count, scalars, constants);
}

template <typename T>
void sgd(OnCuda on, T* parameter, float* master, float* velocity, const T* gradient,
         const DecaySegment* segments, int64_t segment_count, const StepScalars* scalars,
         const SgdConstants& constants) {
  cuda::launch(sgd_kernel<T>, over_arena(on), parameter, master, velocity, gradient, segments,
               segment_count, scalars, constants);
}

template void adamw(OnCuda, float*, float*, float*, float*, const float*, const DecaySegment*,
                    int64_t, const StepScalars*, const AdamWConstants&);
template void adamw(OnCuda, double*, float*, float*, float*, const double*, const DecaySegment*,
                    int64_t, const StepScalars*, const AdamWConstants&);
template void adamw(OnCuda, bfloat16*, float*, float*, float*, const bfloat16*, const DecaySegment*,
                    int64_t, const StepScalars*, const AdamWConstants&);
template void adamw(OnCuda, float16*, float*, float*, float*, const float16*, const DecaySegment*,
                    int64_t, const StepScalars*, const AdamWConstants&);

template void sgd(OnCuda, float*, float*, float*, const float*, const DecaySegment*, int64_t,
                  const StepScalars*, const SgdConstants&);
template void sgd(OnCuda, double*, float*, float*, const double*, const DecaySegment*, int64_t,
                  const StepScalars*, const SgdConstants&);
template void sgd(OnCuda, bfloat16*, float*, float*, const bfloat16*, const DecaySegment*, int64_t,
                  const StepScalars*, const SgdConstants&);
template void sgd(OnCuda, float16*, float*, float*, const float16*, const DecaySegment*, int64_t,
                  const StepScalars*, const SgdConstants&);

}  // namespace ripieno::kernels
