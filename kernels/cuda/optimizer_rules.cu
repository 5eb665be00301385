#include "ripieno/kernels/cuda/device/arena_walk.cuh"
#include "ripieno/kernels/optimizer_rules.h"
#include "ripieno/kernels/rules/optimizer_formulas.h"

namespace ripieno::kernels {
namespace {

// One thread per element.
template <typename T>
__global__ void average_kernel(float* average, ArenaStep<T> arena, AverageConstants constants) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= arena.size || arena.scalars->skips) return;
  const A share = A(formulas::average_share(constants, *arena.scalars));
  const A value = arena.master ? A(arena.master[i]) : cuda::widen(arena.parameter[i]);
  const A before = A(average[i]);
  average[i] = static_cast<float>(before + share * (value - before));
}

}  // namespace

template <typename T>
void adam(OnCuda on, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
          const AdamWConstants& constants) {
  cuda::update_arena(on, arena, formulas::Adam<accumulator_t<T>>(constants), first_moment,
                     second_moment);
}

template <typename T>
void adagrad(OnCuda on, const ArenaStep<T>& arena, float* sum_of_squares,
             const AdagradConstants& constants) {
  cuda::update_arena(on, arena, formulas::Adagrad<accumulator_t<T>>(constants), sum_of_squares);
}

template <typename T>
void rms_prop(OnCuda on, const ArenaStep<T>& arena, const RmsPropState& state,
              const RmsPropConstants& constants) {
  using A = accumulator_t<T>;
  const auto& [mean_square, mean, velocity] = state;
  if (mean && velocity) {
    cuda::update_arena(on, arena, formulas::RmsProp<A, true, true>(constants), mean_square, mean,
                       velocity);
  } else if (mean) {
    cuda::update_arena(on, arena, formulas::RmsProp<A, true, false>(constants), mean_square, mean);
  } else if (velocity) {
    cuda::update_arena(on, arena, formulas::RmsProp<A, false, true>(constants), mean_square,
                       velocity);
  } else {
    cuda::update_arena(on, arena, formulas::RmsProp<A, false, false>(constants), mean_square);
  }
}

template <typename T>
void lion(OnCuda on, const ArenaStep<T>& arena, float* momentum, const LionConstants& constants) {
  cuda::update_arena(on, arena, formulas::Lion<accumulator_t<T>>(constants), momentum);
}

template <typename T>
void average_parameters(OnCuda on, float* average, const ArenaStep<T>& arena,
                        const AverageConstants& constants) {
  cuda::launch(average_kernel<T>, cuda::thread_each(on, arena.size), average, arena, constants);
}

template void adam(OnCuda, const ArenaStep<float>&, float*, float*, const AdamWConstants&);
template void adam(OnCuda, const ArenaStep<double>&, float*, float*, const AdamWConstants&);
template void adam(OnCuda, const ArenaStep<bfloat16>&, float*, float*, const AdamWConstants&);
template void adam(OnCuda, const ArenaStep<float16>&, float*, float*, const AdamWConstants&);

template void adagrad(OnCuda, const ArenaStep<float>&, float*, const AdagradConstants&);
template void adagrad(OnCuda, const ArenaStep<double>&, float*, const AdagradConstants&);
template void adagrad(OnCuda, const ArenaStep<bfloat16>&, float*, const AdagradConstants&);
template void adagrad(OnCuda, const ArenaStep<float16>&, float*, const AdagradConstants&);

template void rms_prop(OnCuda, const ArenaStep<float>&, const RmsPropState&,
                       const RmsPropConstants&);
template void rms_prop(OnCuda, const ArenaStep<double>&, const RmsPropState&,
                       const RmsPropConstants&);
template void rms_prop(OnCuda, const ArenaStep<bfloat16>&, const RmsPropState&,
                       const RmsPropConstants&);
template void rms_prop(OnCuda, const ArenaStep<float16>&, const RmsPropState&,
                       const RmsPropConstants&);

template void lion(OnCuda, const ArenaStep<float>&, float*, const LionConstants&);
template void lion(OnCuda, const ArenaStep<double>&, float*, const LionConstants&);
template void lion(OnCuda, const ArenaStep<bfloat16>&, float*, const LionConstants&);
template void lion(OnCuda, const ArenaStep<float16>&, float*, const LionConstants&);

template void average_parameters(OnCuda, float*, const ArenaStep<float>&, const AverageConstants&);
template void average_parameters(OnCuda, float*, const ArenaStep<double>&, const AverageConstants&);
template void average_parameters(OnCuda, float*, const ArenaStep<bfloat16>&,
                                 const AverageConstants&);
template void average_parameters(OnCuda, float*, const ArenaStep<float16>&,
                                 const AverageConstants&);

}  // namespace ripieno::kernels
