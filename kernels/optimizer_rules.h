// Element-wise optimizer steps over a whole arena in one launch, besides AdamW and SGD
// (optimizer.h).
//
// State arrays have the arena's size, are updated, and are zero before step 1.
#pragma once

#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels {

// Adam with weight decay added to the gradient (Kingma and Ba, 2015, arXiv 1412.6980).
template <typename T>
void adam(OnCpu, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
          const AdamWConstants& constants);
template <typename T>
void adam(OnCuda, const ArenaStep<T>& arena, float* first_moment, float* second_moment,
          const AdamWConstants& constants);

struct AdagradConstants {
  double learning_rate_decay = 0.0;  // the rate of step t is divided by 1 + (t - 1) of it
  double epsilon = 1e-10;
  double initial_sum = 0.0;
};

// Adagrad (Duchi et al., 2011) as in PyTorch. sum_of_squares: without constants.initial_sum.
template <typename T>
void adagrad(OnCpu, const ArenaStep<T>& arena, float* sum_of_squares,
             const AdagradConstants& constants);
template <typename T>
void adagrad(OnCuda, const ArenaStep<T>& arena, float* sum_of_squares,
             const AdagradConstants& constants);

struct RmsPropConstants {
  double decay = 0.99;  // of the mean square
  double epsilon = 1e-8, momentum = 0.0;
};
struct RmsPropState {
  float* mean_square = nullptr;
  float* mean = nullptr;      // null unless the variance is centered
  float* velocity = nullptr;  // null if momentum is 0
};

// RMSprop as in PyTorch; weight decay is added to the gradient.
template <typename T>
void rms_prop(OnCpu, const ArenaStep<T>& arena, const RmsPropState& state,
              const RmsPropConstants& constants);
template <typename T>
void rms_prop(OnCuda, const ArenaStep<T>& arena, const RmsPropState& state,
              const RmsPropConstants& constants);

struct LionConstants {
  double beta1 = 0.9, beta2 = 0.99;  // of the momentum: in the update, and from step to step
};

// Lion (Chen et al., 2023, arXiv 2302.06675) with decoupled weight decay.
template <typename T>
void lion(OnCpu, const ArenaStep<T>& arena, float* momentum, const LionConstants& constants);
template <typename T>
void lion(OnCuda, const ArenaStep<T>& arena, float* momentum, const LionConstants& constants);

struct AverageConstants {
  double decay = 0.999;
  bool warms_up = true;  // decays by at most (1 + step) / (10 + step)
};

// average += (1 - decay) * (values - average), the exponential moving average of the parameters;
// after step 1 it is the values.
// values: arena.master, or arena.parameter if that is null. average: (arena.size).
template <typename T>
void average_parameters(OnCpu, float* average, const ArenaStep<T>& arena,
                        const AverageConstants& constants);
template <typename T>
void average_parameters(OnCuda, float* average, const ArenaStep<T>& arena,
                        const AverageConstants& constants);

}  // namespace ripieno::kernels
