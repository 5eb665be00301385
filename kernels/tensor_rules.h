// Optimizer steps of one whole tensor, for rules that use its norms or its shape: LAMB, Adafactor.
//
// Each computes a direction, then kernels::sum_of_squares() of the values and of the direction,
// then factors from these two sums, and take_direction(). `tensor` is an ArenaStep of one tensor
// with one segment, which covers it. Nothing changes if scalars->skips.
#pragma once

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels {

// value = kept * value - step * direction.
struct DirectionFactors {
  double kept = 1.0, step = 0.0;
};

// tensor = kept * tensor - step * direction.   direction: (tensor.size).
template <typename T>
void take_direction(OnCpu, const ArenaStep<T>& tensor, const accumulator_t<T>* direction,
                    const DirectionFactors* factors);
template <typename T>
void take_direction(OnCuda, const ArenaStep<T>& tensor, const accumulator_t<T>* direction,
                    const DirectionFactors* factors);

// LAMB (You et al., 2020, arXiv 1904.00962): Adam's step plus weight decay.
// direction, first_moment, second_moment: (tensor.size).
template <typename T>
void lamb_direction(OnCpu, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                    float* first_moment, float* second_moment, const AdamWConstants& constants);
template <typename T>
void lamb_direction(OnCuda, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                    float* first_moment, float* second_moment, const AdamWConstants& constants);

// The trust ratio |values| / |direction|, or 1 if either is 0, times the learning rate.
// squares: (2), the sums of squares of the values and of the direction.
void lamb_factors(OnCpu, DirectionFactors* factors, const double* squares,
                  const ParameterSegment* segment, const StepScalars* scalars);
void lamb_factors(OnCuda, DirectionFactors* factors, const double* squares,
                  const ParameterSegment* segment, const StepScalars* scalars);

// Adafactor (Shazeer and Stern, 2018, arXiv 1804.04235) as in PyTorch, without a first moment.
struct AdafactorConstants {
  double decay_exponent = -0.8;  // the mean squares move by step^decay_exponent in each step
  double smallest = 1.2e-7;      // the least root mean square that a gradient is divided by
  double smallest_scale = 1e-3;  // the least root mean square of values that scales the step
  double largest_direction = 1;  // the root mean square to which a direction is clipped
};

// A tensor of at least two axes as matrices of its last two.
struct MatricesShape {
  int64_t matrices = 1, rows = 1, columns = 1;
};

// Updates the mean squares of the gradient's rows (matrices, rows) and columns (matrices, columns),
// and sets the mean (matrices) of those of the rows.
template <typename T>
void adafactor_mean_squares(OnCpu, float* row_means, float* column_means, float* means,
                            const ArenaStep<T>& tensor, const MatricesShape& shape,
                            const AdafactorConstants& constants);
template <typename T>
void adafactor_mean_squares(OnCuda, float* row_means, float* column_means, float* means,
                            const ArenaStep<T>& tensor, const MatricesShape& shape,
                            const AdafactorConstants& constants);

// direction = gradient / sqrt(row mean * column mean / mean).
template <typename T>
void adafactor_direction(OnCpu, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                         const float* row_means, const float* column_means, const float* means,
                         const MatricesShape& shape, const AdafactorConstants& constants);
template <typename T>
void adafactor_direction(OnCuda, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                         const float* row_means, const float* column_means, const float* means,
                         const MatricesShape& shape, const AdafactorConstants& constants);

// The same for vectors, whose mean squares, (tensor.size), are updated element by element.
template <typename T>
void adafactor_vector_direction(OnCpu, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                                float* mean_squares, const AdafactorConstants& constants);
template <typename T>
void adafactor_vector_direction(OnCuda, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                                float* mean_squares, const AdafactorConstants& constants);

// The step is relative to the root mean square of the values, of which there are `size`.
// squares: (2), as for lamb_factors().
void adafactor_factors(OnCpu, DirectionFactors* factors, const double* squares, int64_t size,
                       const ParameterSegment* segment, const StepScalars* scalars,
                       const AdafactorConstants& constants);
void adafactor_factors(OnCuda, DirectionFactors* factors, const double* squares, int64_t size,
                       const ParameterSegment* segment, const StepScalars* scalars,
                       const AdafactorConstants& constants);

}  // namespace ripieno::kernels
