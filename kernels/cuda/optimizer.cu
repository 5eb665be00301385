#include "ripieno/kernels/cuda/device/arena_walk.cuh"
#include "ripieno/kernels/cuda/device/map.cuh"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels {
namespace {

__device__ void finish(StepScalars* scalars, double sum_of_squares, double count, double max_norm) {
  const double norm = count > 0 ? std::sqrt(sum_of_squares) / count : 0;
  const double clip = max_norm > 0 && norm > max_norm ? max_norm / norm : 1;
  scalars->gradient_norm = static_cast<float>(norm);
  scalars->gradient_scale = count > 0 ? static_cast<float>(clip / count) : 0.0f;
}

__device__ SkipReason skip_reason(const LossScale& state, double sum_of_squares, double norm) {
  if (!std::isfinite(sum_of_squares)) return kNotFinite;
  const bool compares = state.outlier_factor > 0 && state.norms >= kNormsForOutliers;
  return compares && norm > state.outlier_factor * state.mean_norm ? kOutlier : kTakesStep;
}

// A step without samples says nothing about the norms of others.
__device__ void add_norm(LossScale& state, double norm) {
  if (norm == 0) return;
  if (state.norms < kNormsInMean) ++state.norms;
  state.mean_norm += (norm - state.mean_norm) / static_cast<double>(state.norms);
}

// A single thread; so is the kernel below.
__global__ void finish_step_scalars_kernel(StepScalars* scalars, const double* sum_of_squares,
                                           const double* count, double max_norm) {
  finish(scalars, *sum_of_squares, *count, max_norm);
}

__global__ void finish_scaled_step_scalars_kernel(StepScalars* scalars, LossScale* loss_scale,
                                                  const double* sum_of_squares, const double* count,
                                                  double max_norm, double beta1, double beta2) {
  LossScale state = *loss_scale;
  const double divisor = *count * static_cast<double>(state.scale);
  finish(scalars, *sum_of_squares, divisor, max_norm);
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
    state.scale = fmaxf(state.scale / 2, kSmallestLossScale);
    state.good_steps = 0;
  } else if (!state.is_fixed && !scalars->skips && ++state.good_steps == kGoodStepsToDouble) {
    state.scale = fminf(state.scale * 2, kLargestLossScale);
    state.good_steps = 0;
  }
  const auto steps = static_cast<double>(state.steps);
  scalars->step = steps;
  scalars->first_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta1, steps)));
  scalars->second_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta2, steps)));
  scalars->skipped_steps = state.skipped_steps;
  *loss_scale = state;
}

template <typename T>
struct ClipGradient {
  const double* count;
  const LossScale* loss_scale;
  double max_value;
  __device__ T operator()(T gradient) const {
    using A = accumulator_t<T>;
    const double scale = loss_scale ? static_cast<double>(loss_scale->scale) : 1.0;
    const A limit = static_cast<A>(max_value * *count * scale);
    const A value = cuda::widen(gradient);
    const bool is_clipped = std::abs(value) > limit && std::isfinite(value);
    return is_clipped ? cuda::narrow<T>(value > 0 ? limit : -limit) : gradient;
  }
};

template <typename T>
struct UpdateMaster {
  __device__ float operator()(float master, T parameter) const {
    const float value = cuda::widen(parameter);
    return cuda::widen(cuda::narrow<T>(master)) == value ? master : value;
  }
};

template <typename T>
struct AdamW {
  using A = accumulator_t<T>;
  cuda::ArenaParameters<T> parameters;
  float *first_moment, *second_moment;
  A first_share, second_share;  // 1 - beta1 and 1 - beta2
  A epsilon;

  template <int width>
  struct Fragment : cuda::ParameterFragment<T, width> {
    cuda::Vector<float, width> first, second;
  };
  template <int width>
  __device__ void load(int64_t first, Fragment<width>& fragment) const {
    parameters.load(first, fragment);
    fragment.first = cuda::load<width>(first_moment + first);
    fragment.second = cuda::load<width>(second_moment + first);
  }
  template <int width>
  __device__ void step(Fragment<width>& fragment, const ParameterSegment& segment,
                       const StepScalars& now) const {
    const A rate = A(now.learning_rate) * A(segment.learning_rate_factor);
    const A kept = A(1) - rate * A(segment.weight_decay);
    cuda::unrolled<width>([&](int k) {
      const A g = cuda::widen(fragment.gradient[k]) * A(now.gradient_scale);
      const A m = A(fragment.first[k]) + first_share * (g - A(fragment.first[k]));
      const A v = A(fragment.second[k]) + second_share * (g * g - A(fragment.second[k]));
      fragment.first[k] = static_cast<float>(m);
      fragment.second[k] = static_cast<float>(v);
      const A deviation = std::sqrt(v * A(now.second_correction)) + epsilon;
      const A change = rate * (m * A(now.first_correction)) / deviation;
      parameters.write(fragment, k, kept * parameters.read(fragment, k) - change);
    });
  }
  template <int width>
  __device__ void store(int64_t first, const Fragment<width>& fragment) const {
    parameters.store(first, fragment);
    cuda::store(first_moment + first, fragment.first);
    cuda::store(second_moment + first, fragment.second);
  }
};

template <typename T>
struct Sgd {
  using A = accumulator_t<T>;
  cuda::ArenaParameters<T> parameters;
  float* velocity;  // null if momentum is 0
  SgdConstants constants;

  template <int width>
  struct Fragment : cuda::ParameterFragment<T, width> {
    cuda::Vector<float, width> velocity;
  };
  template <int width>
  __device__ void load(int64_t first, Fragment<width>& fragment) const {
    parameters.load(first, fragment);
    if (velocity) fragment.velocity = cuda::load<width>(velocity + first);
  }
  template <int width>
  __device__ void step(Fragment<width>& fragment, const ParameterSegment& segment,
                       const StepScalars& now) const {
    const A rate = A(now.learning_rate) * A(segment.learning_rate_factor);
    const A decay = segment.weight_decay;
    cuda::unrolled<width>([&](int k) {
      const A p = parameters.read(fragment, k);
      A direction = cuda::widen(fragment.gradient[k]) * A(now.gradient_scale) + decay * p;
      if (velocity) {
        const A v = A(constants.momentum) * A(fragment.velocity[k]) + direction;
        fragment.velocity[k] = static_cast<float>(v);
        direction = constants.nesterov ? direction + A(constants.momentum) * v : v;
      }
      parameters.write(fragment, k, p - rate * direction);
    });
  }
  template <int width>
  __device__ void store(int64_t first, const Fragment<width>& fragment) const {
    parameters.store(first, fragment);
    if (velocity) cuda::store(velocity + first, fragment.velocity);
  }
};

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
void clip_gradient(OnCuda on, T* gradient, int64_t size, const double* count,
                   const LossScale* loss_scale, double max_value) {
  cuda::map(on, ClipGradient<T>{count, loss_scale, max_value}, size, gradient, gradient);
}

template <typename T>
void update_master(OnCuda on, float* master, const T* parameter, int64_t size) {
  cuda::map(on, UpdateMaster<T>{}, size, master, master, parameter);
}

template <typename T>
void adamw(OnCuda on, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
           const AdamWConstants& constants) {
  using A = accumulator_t<T>;
  const AdamW<T> rule{{arena.parameter, arena.master, arena.gradient},
                      first_moment,
                      second_moment,
                      A(1.0 - constants.beta1),
                      A(1.0 - constants.beta2),
                      A(constants.epsilon)};
  if (cuda::is_aligned(arena.parameter, arena.master, first_moment, second_moment,
                       arena.gradient)) {
    cuda::walk_arena<cuda::kVectorSize<T, float>>(on, rule, arena.size, arena.segments,
                                                  arena.segment_count, arena.scalars);
  } else {
    cuda::walk_arena<1>(on, rule, arena.size, arena.segments, arena.segment_count, arena.scalars);
  }
}

template <typename T>
void sgd(OnCuda on, const ArenaStep<T>& arena, float* velocity, const SgdConstants& constants) {
  const Sgd<T> rule{{arena.parameter, arena.master, arena.gradient}, velocity, constants};
  if (cuda::is_aligned(arena.parameter, arena.master, velocity, arena.gradient)) {
    cuda::walk_arena<cuda::kVectorSize<T, float>>(on, rule, arena.size, arena.segments,
                                                  arena.segment_count, arena.scalars);
  } else {
    cuda::walk_arena<1>(on, rule, arena.size, arena.segments, arena.segment_count, arena.scalars);
  }
}

template void clip_gradient(OnCuda, float*, int64_t, const double*, const LossScale*, double);
template void clip_gradient(OnCuda, double*, int64_t, const double*, const LossScale*, double);
template void clip_gradient(OnCuda, bfloat16*, int64_t, const double*, const LossScale*, double);
template void clip_gradient(OnCuda, float16*, int64_t, const double*, const LossScale*, double);

template void update_master(OnCuda, float*, const bfloat16*, int64_t);
template void update_master(OnCuda, float*, const float16*, int64_t);

template void adamw(OnCuda, const ArenaStep<float>&, float*, float*, const AdamWConstants&);
template void adamw(OnCuda, const ArenaStep<double>&, float*, float*, const AdamWConstants&);
template void adamw(OnCuda, const ArenaStep<bfloat16>&, float*, float*, const AdamWConstants&);
template void adamw(OnCuda, const ArenaStep<float16>&, float*, float*, const AdamWConstants&);

template void sgd(OnCuda, const ArenaStep<float>&, float*, const SgdConstants&);
template void sgd(OnCuda, const ArenaStep<double>&, float*, const SgdConstants&);
template void sgd(OnCuda, const ArenaStep<bfloat16>&, float*, const SgdConstants&);
template void sgd(OnCuda, const ArenaStep<float16>&, float*, const SgdConstants&);

}  // namespace ripieno::kernels
