#include "ripieno/kernels/optimizer_rules.h"

#include "ripieno/kernels/cpu/support/arena_walk.h"
#include "ripieno/kernels/rules/optimizer_formulas.h"

namespace ripieno::kernels {

template <typename T>
void adam(OnCpu, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
          const AdamWConstants& constants) {
  cpu::update_arena(arena, {first_moment, second_moment},
                    formulas::Adam<accumulator_t<T>>(constants));
}

template <typename T>
void adagrad(OnCpu, const ArenaStep<T>& arena, float* sum_of_squares,
             const AdagradConstants& constants) {
  cpu::update_arena(arena, {sum_of_squares}, formulas::Adagrad<accumulator_t<T>>(constants));
}

template <typename T>
void rms_prop(OnCpu, const ArenaStep<T>& arena, const RmsPropState& state,
              const RmsPropConstants& constants) {
  using A = accumulator_t<T>;
  const auto& [mean_square, mean, velocity] = state;
  if (mean && velocity) {
    cpu::update_arena(arena, {mean_square, mean, velocity},
                      formulas::RmsProp<A, true, true>(constants));
  } else if (mean) {
    cpu::update_arena(arena, {mean_square, mean}, formulas::RmsProp<A, true, false>(constants));
  } else if (velocity) {
    cpu::update_arena(arena, {mean_square, velocity}, formulas::RmsProp<A, false, true>(constants));
  } else {
    cpu::update_arena(arena, {mean_square}, formulas::RmsProp<A, false, false>(constants));
  }
}

template <typename T>
void lion(OnCpu, const ArenaStep<T>& arena, float* momentum, const LionConstants& constants) {
  cpu::update_arena(arena, {momentum}, formulas::Lion<accumulator_t<T>>(constants));
}

template <typename T>
void average_parameters(OnCpu, float* average, const ArenaStep<T>& arena,
                        const AverageConstants& constants) {
  if (arena.scalars->skips) return;
  using A = accumulator_t<T>;
  const A share = A(formulas::average_share(constants, *arena.scalars));
  const T* const parameter = arena.parameter;
  const float* const master = arena.master;
  cpu::for_each_block(arena.size, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const A value = master ? A(master[i]) : A(parameter[i]), before = A(average[i]);
      average[i] = static_cast<float>(before + share * (value - before));
    }
  });
}

template void adam(OnCpu, const ArenaStep<float>&, float*, float*, const AdamWConstants&);
template void adam(OnCpu, const ArenaStep<double>&, float*, float*, const AdamWConstants&);
template void adam(OnCpu, const ArenaStep<bfloat16>&, float*, float*, const AdamWConstants&);
template void adam(OnCpu, const ArenaStep<float16>&, float*, float*, const AdamWConstants&);

template void adagrad(OnCpu, const ArenaStep<float>&, float*, const AdagradConstants&);
template void adagrad(OnCpu, const ArenaStep<double>&, float*, const AdagradConstants&);
template void adagrad(OnCpu, const ArenaStep<bfloat16>&, float*, const AdagradConstants&);
template void adagrad(OnCpu, const ArenaStep<float16>&, float*, const AdagradConstants&);

template void rms_prop(OnCpu, const ArenaStep<float>&, const RmsPropState&,
                       const RmsPropConstants&);
template void rms_prop(OnCpu, const ArenaStep<double>&, const RmsPropState&,
                       const RmsPropConstants&);
template void rms_prop(OnCpu, const ArenaStep<bfloat16>&, const RmsPropState&,
                       const RmsPropConstants&);
template void rms_prop(OnCpu, const ArenaStep<float16>&, const RmsPropState&,
                       const RmsPropConstants&);

template void lion(OnCpu, const ArenaStep<float>&, float*, const LionConstants&);
template void lion(OnCpu, const ArenaStep<double>&, float*, const LionConstants&);
template void lion(OnCpu, const ArenaStep<bfloat16>&, float*, const LionConstants&);
template void lion(OnCpu, const ArenaStep<float16>&, float*, const LionConstants&);

template void average_parameters(OnCpu, float*, const ArenaStep<float>&, const AverageConstants&);
template void average_parameters(OnCpu, float*, const ArenaStep<double>&, const AverageConstants&);
template void average_parameters(OnCpu, float*, const ArenaStep<bfloat16>&,
                                 const AverageConstants&);
template void average_parameters(OnCpu, float*, const ArenaStep<float16>&, const AverageConstants&);

}  // namespace ripieno::kernels
