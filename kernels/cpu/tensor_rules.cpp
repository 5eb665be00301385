#include "ripieno/kernels/tensor_rules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/rules/tensor_rule_formulas.h"

namespace ripieno::kernels {
namespace {

constexpr int64_t kColumnsOfBlock = 64;

template <typename T>
accumulator_t<T> value_at(const ArenaStep<T>& tensor, int64_t i) {
  using A = accumulator_t<T>;
  return tensor.master ? A(tensor.master[i]) : A(tensor.parameter[i]);
}

// How far the mean squares move in this step.
double share_of(const StepScalars& now, const AdafactorConstants& constants) {
  return std::pow(now.step, constants.decay_exponent);
}

template <typename T>
double square_of(const T* gradient, int64_t i, double scale) {
  const double g = static_cast<double>(accumulator_t<T>(gradient[i])) * scale;
  return g * g;
}

void move(float& mean, double now, double share) {
  mean = static_cast<float>(static_cast<double>(mean) + share * (now - static_cast<double>(mean)));
}

}  // namespace

template <typename T>
void take_direction(OnCpu, const ArenaStep<T>& tensor, const accumulator_t<T>* direction,
                    const DirectionFactors* factors) {
  if (tensor.scalars->skips) return;
  using A = accumulator_t<T>;
  const A kept = A(factors->kept), step = A(factors->step);
  cpu::for_each_block(tensor.size, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const A value = kept * value_at(tensor, i) - step * direction[i];
      if (tensor.master) tensor.master[i] = static_cast<float>(value);
      tensor.parameter[i] = T(tensor.master ? A(tensor.master[i]) : value);
    }
  });
}

template <typename T>
void lamb_direction(OnCpu, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                    float* first_moment, float* second_moment, const AdamWConstants& constants) {
  if (tensor.scalars->skips) return;
  using A = accumulator_t<T>;
  const StepScalars now = *tensor.scalars;
  const A decay = A(tensor.segments->weight_decay), scale = A(now.gradient_scale);
  const A first_share = A(1.0 - constants.beta1), second_share = A(1.0 - constants.beta2);
  const A epsilon = A(constants.epsilon);
  cpu::for_each_block(tensor.size, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const A g = A(tensor.gradient[i]) * scale;
      const A m = A(first_moment[i]) + first_share * (g - A(first_moment[i]));
      const A v = A(second_moment[i]) + second_share * (g * g - A(second_moment[i]));
      first_moment[i] = static_cast<float>(m);
      second_moment[i] = static_cast<float>(v);
      const A deviation = std::sqrt(v * A(now.second_correction)) + epsilon;
      direction[i] = m * A(now.first_correction) / deviation + decay * value_at(tensor, i);
    }
  });
}

void lamb_factors(OnCpu, DirectionFactors* factors, const double* squares,
                  const ParameterSegment* segment, const StepScalars* scalars) {
  *factors = formulas::lamb_factors(squares, *segment, *scalars);
}

template <typename T>
void adafactor_mean_squares(OnCpu, float* row_means, float* column_means, float* means,
                            const ArenaStep<T>& tensor, const MatricesShape& shape,
                            const AdafactorConstants& constants) {
  if (tensor.scalars->skips) return;
  const double share = share_of(*tensor.scalars, constants);
  const double scale = static_cast<double>(tensor.scalars->gradient_scale);
  const auto [matrices, rows, columns] = shape;
  const T* const gradient = tensor.gradient;
  cpu::for_each_row(matrices * rows, columns, [=, columns = columns](int64_t row) {
    double sum = 0;
    for (int64_t c = 0; c < columns; ++c) sum += square_of(gradient, row * columns + c, scale);
    move(row_means[row], sum / static_cast<double>(columns), share);
  });
  const int64_t blocks = (columns + kColumnsOfBlock - 1) / kColumnsOfBlock;
  cpu::parallel_for(
      matrices * blocks, rows * kColumnsOfBlock, [=, rows = rows, columns = columns](int64_t i) {
        const int64_t matrix = i / blocks, begin = i % blocks * kColumnsOfBlock;
        const int64_t end = std::min(columns, begin + kColumnsOfBlock);
        std::array<double, kColumnsOfBlock> sums{};
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t row = (matrix * rows + r) * columns;
          for (int64_t c = begin; c < end; ++c)
            sums[static_cast<std::size_t>(c - begin)] += square_of(gradient, row + c, scale);
        }
        for (int64_t c = begin; c < end; ++c) {
          move(column_means[matrix * columns + c],
               sums[static_cast<std::size_t>(c - begin)] / static_cast<double>(rows), share);
        }
      });
  for (int64_t matrix = 0; matrix < matrices; ++matrix) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += static_cast<double>(row_means[matrix * rows + r]);
    means[matrix] = static_cast<float>(sum / static_cast<double>(rows));
  }
}

template <typename T>
void adafactor_direction(OnCpu, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                         const float* row_means, const float* column_means, const float* means,
                         const MatricesShape& shape, const AdafactorConstants& constants) {
  if (tensor.scalars->skips) return;
  using A = accumulator_t<T>;
  const A scale = A(tensor.scalars->gradient_scale), smallest = A(constants.smallest);
  const auto [matrices, rows, columns] = shape;
  const T* const gradient = tensor.gradient;
  cpu::for_each_row(matrices * rows, columns, [=, rows = rows, columns = columns](int64_t row) {
    const int64_t matrix = row / rows;
    const A of_row = A(row_means[row]) / std::max(A(means[matrix]), smallest);
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t i = row * columns + c;
      direction[i] = formulas::over_root(A(gradient[i]) * scale,
                                         of_row * A(column_means[matrix * columns + c]), smallest);
    }
  });
}

template <typename T>
void adafactor_vector_direction(OnCpu, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                                float* mean_squares, const AdafactorConstants& constants) {
  if (tensor.scalars->skips) return;
  using A = accumulator_t<T>;
  const double share = share_of(*tensor.scalars, constants);
  const A scale = A(tensor.scalars->gradient_scale), smallest = A(constants.smallest);
  const T* const gradient = tensor.gradient;
  cpu::for_each_block(tensor.size, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      move(mean_squares[i], square_of(gradient, i, static_cast<double>(scale)), share);
      direction[i] = formulas::over_root(A(gradient[i]) * scale, A(mean_squares[i]), smallest);
    }
  });
}

void adafactor_factors(OnCpu, DirectionFactors* factors, const double* squares, int64_t size,
                       const ParameterSegment* segment, const StepScalars* scalars,
                       const AdafactorConstants& constants) {
  *factors = formulas::adafactor_factors(squares, size, *segment, *scalars, constants);
}

template void take_direction(OnCpu, const ArenaStep<float>&, const float*, const DirectionFactors*);
template void take_direction(OnCpu, const ArenaStep<double>&, const double*,
                             const DirectionFactors*);
template void take_direction(OnCpu, const ArenaStep<bfloat16>&, const float*,
                             const DirectionFactors*);
template void take_direction(OnCpu, const ArenaStep<float16>&, const float*,
                             const DirectionFactors*);

template void lamb_direction(OnCpu, float*, const ArenaStep<float>&, float*, float*,
                             const AdamWConstants&);
template void lamb_direction(OnCpu, double*, const ArenaStep<double>&, float*, float*,
                             const AdamWConstants&);
template void lamb_direction(OnCpu, float*, const ArenaStep<bfloat16>&, float*, float*,
                             const AdamWConstants&);
template void lamb_direction(OnCpu, float*, const ArenaStep<float16>&, float*, float*,
                             const AdamWConstants&);

template void adafactor_mean_squares(OnCpu, float*, float*, float*, const ArenaStep<float>&,
                                     const MatricesShape&, const AdafactorConstants&);
template void adafactor_mean_squares(OnCpu, float*, float*, float*, const ArenaStep<double>&,
                                     const MatricesShape&, const AdafactorConstants&);
template void adafactor_mean_squares(OnCpu, float*, float*, float*, const ArenaStep<bfloat16>&,
                                     const MatricesShape&, const AdafactorConstants&);
template void adafactor_mean_squares(OnCpu, float*, float*, float*, const ArenaStep<float16>&,
                                     const MatricesShape&, const AdafactorConstants&);

template void adafactor_direction(OnCpu, float*, const ArenaStep<float>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);
template void adafactor_direction(OnCpu, double*, const ArenaStep<double>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);
template void adafactor_direction(OnCpu, float*, const ArenaStep<bfloat16>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);
template void adafactor_direction(OnCpu, float*, const ArenaStep<float16>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);

template void adafactor_vector_direction(OnCpu, float*, const ArenaStep<float>&, float*,
                                         const AdafactorConstants&);
template void adafactor_vector_direction(OnCpu, double*, const ArenaStep<double>&, float*,
                                         const AdafactorConstants&);
template void adafactor_vector_direction(OnCpu, float*, const ArenaStep<bfloat16>&, float*,
                                         const AdafactorConstants&);
template void adafactor_vector_direction(OnCpu, float*, const ArenaStep<float16>&, float*,
                                         const AdafactorConstants&);

}  // namespace ripieno::kernels
