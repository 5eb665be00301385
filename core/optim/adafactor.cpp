#include "ripieno/core/optim/adafactor.h"

#include <fmt/format.h>

#include <limits>

#include "ripieno/core/optim/direction_step.h"
#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/tensor_rules.h"

namespace ripieno::optim {
namespace {

// A vector has a mean square for each element in place of those of rows, and none of columns.
Shape rows_shape(const ArenaLayout::Entry& entry) {
  Shape shape = entry.shape;
  if (shape.rank() >= 2) shape.back() = 1;
  return shape;
}

Shape columns_shape(const ArenaLayout::Entry& entry) {
  Shape shape = entry.shape;
  if (shape.rank() < 2) return {0};
  shape[shape.rank() - 2] = 1;
  return shape;
}

kernels::MatricesShape matrices_of(const Shape& shape) {
  const int64_t rows = shape[shape.rank() - 2], columns = shape[shape.rank() - 1];
  return {shape.elements() / (rows * columns), rows, columns};
}

}  // namespace

void check(const AdafactorOptions& options) {
  const double exponent = options.decay_exponent, threshold = options.clip_threshold;
  require_option(exponent <= 0.0 && exponent >= -100.0, "adafactor", "decay_exponent", exponent,
                 "in [-100, 0]");
  if (options.epsilon1) require_epsilon("adafactor", "epsilon1", *options.epsilon1);
  require_epsilon("adafactor", "epsilon2", options.epsilon2);
  require_epsilon("adafactor", "clip_threshold", threshold);
}

Adafactor::Adafactor(Parameters parameters, const AdafactorOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      decay_exponent_(options.decay_exponent),
      epsilon2_(options.epsilon2),
      clip_threshold_(options.clip_threshold),
      epsilon1_(options.epsilon1) {
  check(options);
}

std::vector<Optimizer::Option> Adafactor::options() const {
  auto options = Optimizer::options();
  options.push_back({"decay_exponent", fmt::format("{}", decay_exponent_)});
  options.push_back({"epsilon1", epsilon1_ ? fmt::format("{}", *epsilon1_) : "of the type"});
  options.push_back({"epsilon2", fmt::format("{}", epsilon2_)});
  options.push_back({"clip_threshold", fmt::format("{}", clip_threshold_)});
  return options;
}

void Adafactor::prepare() {
  add_state("row_mean_squares", {.shape = rows_shape});
  add_state("column_mean_squares", {.shape = columns_shape});
}

void Adafactor::update(const Range& range) {
  const Work work{"adafactor",
                  {&range.values, &range.values, &range.values, &range.gradients, &range.gradients,
                   &range.gradients},
                  trace::kUnknown,
                  3 * float_bytes(range)};  // the direction
  run(work, range.values, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    const kernels::AdafactorConstants constants{
        .decay_exponent = decay_exponent_,
        .smallest = epsilon1_.value_or(static_cast<double>(std::numeric_limits<A>::epsilon())),
        .smallest_scale = epsilon2_,
        .largest_direction = clip_threshold_};
    for (const Piece& piece : pieces_of(range)) {
      const auto step = tensor_step<T>(range, piece);
      const DirectionStep<T> direction(range.values.device(), step.size);
      float* const rows = state_of("row_mean_squares", piece).template data<float>();
      if (piece.entry.shape.rank() < 2) {
        kernels::adafactor_vector_direction(on, direction.numbers(), step, rows, constants);
      } else {
        float* const columns = state_of("column_mean_squares", piece).template data<float>();
        const auto shape = matrices_of(piece.entry.shape);
        const Tensor means({shape.matrices}, DType::float32, range.values.device());
        kernels::adafactor_mean_squares(on, rows, columns, means.data<float>(), step, shape,
                                        constants);
        kernels::adafactor_direction(on, direction.numbers(), step, rows, columns,
                                     means.data<float>(), shape, constants);
      }
      direction.take(on, step, [&](kernels::DirectionFactors* factors, const double* squares) {
        kernels::adafactor_factors(on, factors, squares, step.size, step.segments, step.scalars,
                                   constants);
      });
    }
  });
}

}  // namespace ripieno::optim
