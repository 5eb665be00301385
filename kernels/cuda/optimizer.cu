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

template <typename T>
struct UpdateMaster {
  __device__ float operator()(float master, T parameter) const {
    const float value = cuda::widen(parameter);
    return cuda::widen(cuda::narrow<T>(master)) == value ? master : value;
  }
};

// What both optimizers keep of a parameter.
template <typename T, int width>
struct ParameterPiece {
  cuda::Vector<T, width> parameter, gradient;
  cuda::Vector<float, width> master;
};

template <typename T>
struct Parameters {
  using A = accumulator_t<T>;
  T* parameter;
  float* master;  // the truth where it is there
  const T* gradient;

  template <int width>
  __device__ void load(int64_t first, ParameterPiece<T, width>& piece) const {
    piece.gradient = cuda::load<width>(gradient + first);
    if (master) {
      piece.master = cuda::load<width>(master + first);
    } else {
      piece.parameter = cuda::load<width>(parameter + first);
    }
  }
  template <int width>
  __device__ A read(const ParameterPiece<T, width>& piece, int k) const {
    return master ? A(piece.master[k]) : cuda::widen(piece.parameter[k]);
  }
  template <int width>
  __device__ void write(ParameterPiece<T, width>& piece, int k, A value) const {
    piece.master[k] = static_cast<float>(value);
    piece.parameter[k] = cuda::narrow<T>(master ? A(piece.master[k]) : value);
  }
  template <int width>
  __device__ void store(int64_t first, const ParameterPiece<T, width>& piece) const {
    if (master) cuda::store(master + first, piece.master);
    cuda::store(parameter + first, piece.parameter);
  }
};

template <typename T>
struct AdamW {
  using A = accumulator_t<T>;
  Parameters<T> of;
  float *first_moment, *second_moment;
  A first_share, second_share;  // of the gradient in a moment
  A epsilon;

  template <int width>
  struct Piece : ParameterPiece<T, width> {
    cuda::Vector<float, width> first, second;
  };
  template <int width>
  __device__ void load(int64_t first, Piece<width>& piece) const {
    of.load(first, piece);
    piece.first = cuda::load<width>(first_moment + first);
    piece.second = cuda::load<width>(second_moment + first);
  }
  template <int width>
  __device__ void step(Piece<width>& piece, const ParameterSegment& segment,
                       const StepScalars& now) const {
    const A rate = A(now.learning_rate) * A(segment.learning_rate_factor);
    const A kept = A(1) - rate * A(segment.weight_decay);
    cuda::unrolled<width>([&](int k) {
      const A g = cuda::widen(piece.gradient[k]) * A(now.gradient_scale);
      const A m = A(piece.first[k]) + first_share * (g - A(piece.first[k]));
      const A v = A(piece.second[k]) + second_share * (g * g - A(piece.second[k]));
      piece.first[k] = static_cast<float>(m);
      piece.second[k] = static_cast<float>(v);
      const A deviation = std::sqrt(v * A(now.second_correction)) + epsilon;
      const A change = rate * (m * A(now.first_correction)) / deviation;
      of.write(piece, k, kept * of.read(piece, k) - change);
    });
  }
  template <int width>
  __device__ void store(int64_t first, const Piece<width>& piece) const {
    of.store(first, piece);
    cuda::store(first_moment + first, piece.first);
    cuda::store(second_moment + first, piece.second);
  }
};

template <typename T>
struct Sgd {
  using A = accumulator_t<T>;
  Parameters<T> of;
  float* velocity;  // null where there is no momentum
  SgdConstants constants;

  template <int width>
  struct Piece : ParameterPiece<T, width> {
    cuda::Vector<float, width> velocity;
  };
  template <int width>
  __device__ void load(int64_t first, Piece<width>& piece) const {
    of.load(first, piece);
    if (velocity) piece.velocity = cuda::load<width>(velocity + first);
  }
  template <int width>
  __device__ void step(Piece<width>& piece, const ParameterSegment& segment,
                       const StepScalars& now) const {
    const A rate = A(now.learning_rate) * A(segment.learning_rate_factor);
    const A decay = segment.weight_decay;
    cuda::unrolled<width>([&](int k) {
      const A p = of.read(piece, k);
      A direction = cuda::widen(piece.gradient[k]) * A(now.gradient_scale) + decay * p;
      if (velocity) {
        const A v = A(constants.momentum) * A(piece.velocity[k]) + direction;
        piece.velocity[k] = static_cast<float>(v);
        direction = constants.nesterov ? direction + A(constants.momentum) * v : v;
      }
      of.write(piece, k, p - rate * direction);
    });
  }
  template <int width>
  __device__ void store(int64_t first, const Piece<width>& piece) const {
    of.store(first, piece);
    if (velocity) cuda::store(velocity + first, piece.velocity);
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
