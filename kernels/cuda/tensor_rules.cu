#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/rules/tensor_rule_formulas.h"
#include "ripieno/kernels/tensor_rules.h"

namespace ripieno::kernels {
namespace {

template <typename T>
__device__ accumulator_t<T> value_at(const ArenaStep<T>& tensor, int64_t i) {
  using A = accumulator_t<T>;
  return tensor.master ? A(tensor.master[i]) : cuda::widen(tensor.parameter[i]);
}

// How far the mean squares move in this step.
__device__ double share_of(const StepScalars& now, const AdafactorConstants& constants) {
  return std::pow(now.step, constants.decay_exponent);
}

template <typename T>
__device__ double square_of(const T* gradient, int64_t i, double scale) {
  const double g = static_cast<double>(cuda::widen(gradient[i])) * scale;
  return g * g;
}

__device__ void move(float& mean, double now, double share) {
  mean = static_cast<float>(static_cast<double>(mean) + share * (now - static_cast<double>(mean)));
}

// One thread per element.
template <typename T>
__global__ void take_direction_kernel(ArenaStep<T> tensor, const accumulator_t<T>* direction,
                                      const DirectionFactors* factors) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= tensor.size || tensor.scalars->skips) return;
  const A value = A(factors->kept) * value_at(tensor, i) - A(factors->step) * direction[i];
  const float rounded = static_cast<float>(value);
  if (tensor.master) tensor.master[i] = rounded;
  tensor.parameter[i] = cuda::narrow<T>(tensor.master ? A(rounded) : value);
}

// One thread per element.
template <typename T>
__global__ void lamb_direction_kernel(accumulator_t<T>* direction, ArenaStep<T> tensor,
                                      float* first_moment, float* second_moment,
                                      AdamWConstants constants) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  const StepScalars& now = *tensor.scalars;
  if (i >= tensor.size || now.skips) return;
  const A first_share = A(1.0 - constants.beta1), second_share = A(1.0 - constants.beta2);
  const A g = cuda::widen(tensor.gradient[i]) * A(now.gradient_scale);
  const A m = A(first_moment[i]) + first_share * (g - A(first_moment[i]));
  const A v = A(second_moment[i]) + second_share * (g * g - A(second_moment[i]));
  first_moment[i] = static_cast<float>(m);
  second_moment[i] = static_cast<float>(v);
  const A deviation = std::sqrt(v * A(now.second_correction)) + A(constants.epsilon);
  direction[i] = m * A(now.first_correction) / deviation +
                 A(tensor.segments->weight_decay) * value_at(tensor, i);
}

// A single thread; so is adafactor_factors_kernel.
__global__ void lamb_factors_kernel(DirectionFactors* factors, const double* squares,
                                    const ParameterSegment* segment, const StepScalars* scalars) {
  *factors = formulas::lamb_factors(squares, *segment, *scalars);
}

__global__ void adafactor_factors_kernel(DirectionFactors* factors, const double* squares,
                                         int64_t size, const ParameterSegment* segment,
                                         const StepScalars* scalars, AdafactorConstants constants) {
  *factors = formulas::adafactor_factors(squares, size, *segment, *scalars, constants);
}

// One warp per row.
template <typename T>
__global__ void row_means_kernel(float* row_means, ArenaStep<T> tensor, int64_t rows,
                                 int64_t columns, AdafactorConstants constants) {
  const int64_t row = cuda::global_warp();
  const StepScalars& now = *tensor.scalars;
  if (row >= rows || now.skips) return;
  const double scale = static_cast<double>(now.gradient_scale);
  double sum = 0;
  for (int64_t c = cuda::lane(); c < columns; c += cuda::kWarpSize)
    sum += square_of(tensor.gradient, row * columns + c, scale);
  sum = cuda::warp_reduce(sum, cuda::Sum{});
  if (cuda::lane() == 0)
    move(row_means[row], sum / static_cast<double>(columns), share_of(now, constants));
}

// One thread per column of a matrix.
template <typename T>
__global__ void column_means_kernel(float* column_means, ArenaStep<T> tensor, MatricesShape shape,
                                    AdafactorConstants constants) {
  const int64_t i = cuda::global_thread();
  const StepScalars& now = *tensor.scalars;
  if (i >= shape.matrices * shape.columns || now.skips) return;
  const int64_t matrix = i / shape.columns, column = i % shape.columns;
  const double scale = static_cast<double>(now.gradient_scale);
  double sum = 0;
  for (int64_t r = 0; r < shape.rows; ++r)
    sum += square_of(tensor.gradient, (matrix * shape.rows + r) * shape.columns + column, scale);
  move(column_means[i], sum / static_cast<double>(shape.rows), share_of(now, constants));
}

// One block per matrix.
__global__ void means_kernel(float* means, const float* row_means, int64_t rows,
                             const StepScalars* scalars) {
  if (scalars->skips) return;
  double sum = 0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x)
    sum += static_cast<double>(row_means[blockIdx.x * rows + r]);
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) means[blockIdx.x] = static_cast<float>(sum / static_cast<double>(rows));
}

// One thread per element.
template <typename T>
__global__ void adafactor_direction_kernel(accumulator_t<T>* direction, ArenaStep<T> tensor,
                                           const float* row_means, const float* column_means,
                                           const float* means, MatricesShape shape,
                                           AdafactorConstants constants) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= tensor.size || tensor.scalars->skips) return;
  const A smallest = A(constants.smallest);
  const int64_t row = i / shape.columns, column = i % shape.columns, matrix = row / shape.rows;
  const A mean = A(means[matrix]) > smallest ? A(means[matrix]) : smallest;
  direction[i] = formulas::over_root(
      cuda::widen(tensor.gradient[i]) * A(tensor.scalars->gradient_scale),
      A(row_means[row]) / mean * A(column_means[matrix * shape.columns + column]), smallest);
}

// One thread per element.
template <typename T>
__global__ void adafactor_vector_kernel(accumulator_t<T>* direction, ArenaStep<T> tensor,
                                        float* mean_squares, AdafactorConstants constants) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  const StepScalars& now = *tensor.scalars;
  if (i >= tensor.size || now.skips) return;
  const A scale = A(now.gradient_scale);
  move(mean_squares[i], square_of(tensor.gradient, i, static_cast<double>(scale)),
       share_of(now, constants));
  direction[i] = formulas::over_root(cuda::widen(tensor.gradient[i]) * scale, A(mean_squares[i]),
                                     A(constants.smallest));
}

cuda::LaunchShape one_thread(OnCuda on) { return {dim3(1), dim3(1), 0, on.stream}; }

}  // namespace

template <typename T>
void take_direction(OnCuda on, const ArenaStep<T>& tensor, const accumulator_t<T>* direction,
                    const DirectionFactors* factors) {
  cuda::launch(take_direction_kernel<T>, cuda::thread_each(on, tensor.size), tensor, direction,
               factors);
}

template <typename T>
void lamb_direction(OnCuda on, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                    float* first_moment, float* second_moment, const AdamWConstants& constants) {
  cuda::launch(lamb_direction_kernel<T>, cuda::thread_each(on, tensor.size), direction, tensor,
               first_moment, second_moment, constants);
}

void lamb_factors(OnCuda on, DirectionFactors* factors, const double* squares,
                  const ParameterSegment* segment, const StepScalars* scalars) {
  cuda::launch(lamb_factors_kernel, one_thread(on), factors, squares, segment, scalars);
}

template <typename T>
void adafactor_mean_squares(OnCuda on, float* row_means, float* column_means, float* means,
                            const ArenaStep<T>& tensor, const MatricesShape& shape,
                            const AdafactorConstants& constants) {
  const int64_t rows = shape.matrices * shape.rows;
  cuda::launch(row_means_kernel<T>, cuda::warp_each(on, rows), row_means, tensor, rows,
               shape.columns, constants);
  cuda::launch(column_means_kernel<T>, cuda::thread_each(on, shape.matrices * shape.columns),
               column_means, tensor, shape, constants);
  cuda::launch(means_kernel, cuda::block_each(on, shape.matrices), means, row_means, shape.rows,
               tensor.scalars);
}

template <typename T>
void adafactor_direction(OnCuda on, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                         const float* row_means, const float* column_means, const float* means,
                         const MatricesShape& shape, const AdafactorConstants& constants) {
  cuda::launch(adafactor_direction_kernel<T>, cuda::thread_each(on, tensor.size), direction, tensor,
               row_means, column_means, means, shape, constants);
}

template <typename T>
void adafactor_vector_direction(OnCuda on, accumulator_t<T>* direction, const ArenaStep<T>& tensor,
                                float* mean_squares, const AdafactorConstants& constants) {
  cuda::launch(adafactor_vector_kernel<T>, cuda::thread_each(on, tensor.size), direction, tensor,
               mean_squares, constants);
}

void adafactor_factors(OnCuda on, DirectionFactors* factors, const double* squares, int64_t size,
                       const ParameterSegment* segment, const StepScalars* scalars,
                       const AdafactorConstants& constants) {
  cuda::launch(adafactor_factors_kernel, one_thread(on), factors, squares, size, segment, scalars,
               constants);
}

template void take_direction(OnCuda, const ArenaStep<float>&, const float*,
                             const DirectionFactors*);
template void take_direction(OnCuda, const ArenaStep<double>&, const double*,
                             const DirectionFactors*);
template void take_direction(OnCuda, const ArenaStep<bfloat16>&, const float*,
                             const DirectionFactors*);
template void take_direction(OnCuda, const ArenaStep<float16>&, const float*,
                             const DirectionFactors*);

template void lamb_direction(OnCuda, float*, const ArenaStep<float>&, float*, float*,
                             const AdamWConstants&);
template void lamb_direction(OnCuda, double*, const ArenaStep<double>&, float*, float*,
                             const AdamWConstants&);
template void lamb_direction(OnCuda, float*, const ArenaStep<bfloat16>&, float*, float*,
                             const AdamWConstants&);
template void lamb_direction(OnCuda, float*, const ArenaStep<float16>&, float*, float*,
                             const AdamWConstants&);

template void adafactor_mean_squares(OnCuda, float*, float*, float*, const ArenaStep<float>&,
                                     const MatricesShape&, const AdafactorConstants&);
template void adafactor_mean_squares(OnCuda, float*, float*, float*, const ArenaStep<double>&,
                                     const MatricesShape&, const AdafactorConstants&);
template void adafactor_mean_squares(OnCuda, float*, float*, float*, const ArenaStep<bfloat16>&,
                                     const MatricesShape&, const AdafactorConstants&);
template void adafactor_mean_squares(OnCuda, float*, float*, float*, const ArenaStep<float16>&,
                                     const MatricesShape&, const AdafactorConstants&);

template void adafactor_direction(OnCuda, float*, const ArenaStep<float>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);
template void adafactor_direction(OnCuda, double*, const ArenaStep<double>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);
template void adafactor_direction(OnCuda, float*, const ArenaStep<bfloat16>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);
template void adafactor_direction(OnCuda, float*, const ArenaStep<float16>&, const float*,
                                  const float*, const float*, const MatricesShape&,
                                  const AdafactorConstants&);

template void adafactor_vector_direction(OnCuda, float*, const ArenaStep<float>&, float*,
                                         const AdafactorConstants&);
template void adafactor_vector_direction(OnCuda, double*, const ArenaStep<double>&, float*,
                                         const AdafactorConstants&);
template void adafactor_vector_direction(OnCuda, float*, const ArenaStep<bfloat16>&, float*,
                                         const AdafactorConstants&);
template void adafactor_vector_direction(OnCuda, float*, const ArenaStep<float16>&, float*,
                                         const AdafactorConstants&);

}  // namespace ripieno::kernels
