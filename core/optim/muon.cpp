#include "ripieno/core/optim/muon.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "ripieno/core/arena/name_pattern.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"

namespace ripieno::optim {
namespace {

bool is_orthogonalized(const ArenaLayout::Entry& entry, const std::vector<std::string>& others) {
  return entry.shape.rank() >= 2 &&
         std::none_of(others.begin(), others.end(),
                      [&](const std::string& pattern) { return matches(pattern, entry.name); });
}

double scale_of(MuonOptions::Scale scale, int64_t rows, int64_t columns) {
  const auto height = static_cast<double>(rows), width = static_cast<double>(columns);
  return scale == MuonOptions::Scale::adamw ? 0.2 * std::sqrt(std::max(height, width))
                                            : std::sqrt(std::max(1.0, height / width));
}

}  // namespace

void check(const MuonOptions& options) {
  require_decay("muon", "momentum", options.momentum);
  require_moments("muon", options.beta1, options.beta2, options.epsilon);
  require_option(options.iterations >= 1 && options.iterations < 100, "muon", "iterations",
                 options.iterations, "in [1, 99]");
}

Muon::Muon(Parameters parameters, const MuonOptions& options)
    : Optimizer(std::move(parameters), {options.learning_rate, options.weight_decay, options.decays,
                                        options.max_gradient_norm, options.max_gradient_value,
                                        options.scales_loss, options.groups}),
      options_(options) {
  check(options);
}

std::vector<Optimizer::Option> Muon::options() const {
  auto options = Optimizer::options();
  options.push_back({"momentum", fmt::format("{}", options_.momentum)});
  options.push_back({"nesterov", fmt::format("{}", options_.nesterov)});
  options.push_back({"iterations", fmt::format("{}", options_.iterations)});
  options.push_back({"scale", fmt::format("{}", static_cast<int>(options_.scale))});
  options.push_back(
      {"adamw_parameters", fmt::format("{}", fmt::join(options_.adamw_parameters, ", "))});
  options.push_back({"beta1", fmt::format("{}", options_.beta1)});
  options.push_back({"beta2", fmt::format("{}", options_.beta2)});
  options.push_back({"epsilon", fmt::format("{}", options_.epsilon)});
  return options;
}

void Muon::prepare() {
  add_state("first_moment");
  add_state("second_moment", {.shape = [others = options_.adamw_parameters](const auto& entry) {
              return is_orthogonalized(entry, others) ? Shape{0} : entry.shape;
            }});
}

void Muon::update(const Range& range) {
  if (skips_steps() && last_step().skips) return;
  const kernels::AdamWConstants constants{options_.beta1, options_.beta2, options_.epsilon};
  bool has_matrices = false;
  for (const Piece& piece : pieces_of(range)) {
    if (is_orthogonalized(piece.entry, options_.adamw_parameters)) {
      update_tensor(view_of(range, piece.parameter));
      has_matrices = true;
      continue;
    }
    const Work work{"adamw"};
    run(work, range.values, [&]<typename T>(auto on) {
      kernels::adamw(on, tensor_step<T>(range, piece),
                     numbers("first_moment", range) + piece.offset,
                     state_of("second_moment", piece).template data<float>(), constants);
    });
  }
  if (has_matrices) copy_master(range);
}

void Muon::update_tensor(const ParameterView& view) {
  const int64_t rows = view.entry.shape[0], columns = view.entry.elements / rows;
  Tensor values = view.values;
  Tensor momentum = view.state("first_moment").reshape(values.shape());
  const Tensor before = momentum.to(values.dtype());
  const double share = 1.0 - options_.momentum;
  const Tensor moved = before + (view.gradient - before) * share;
  momentum.copy_from(moved);
  const Tensor update =
      options_.nesterov ? view.gradient + (moved - view.gradient) * options_.momentum : moved;
  const Tensor step = orthogonalized(update.reshape({rows, columns}), options_.iterations);
  const Tensor kept = 1.0 - view.learning_rate * view.weight_decay;
  values.copy_from(values * kept -
                   step.reshape(values.shape()) *
                       (view.learning_rate * scale_of(options_.scale, rows, columns)));
}

Tensor orthogonalized(const Tensor& x, int iterations) {
  constexpr double kFirst = 3.4445, kThird = -4.775, kFifth = 2.0315;
  constexpr double kSmallest = 1e-7;  // keeps a zero matrix zero
  const bool is_tall = x.size(0) > x.size(1);
  Tensor y = is_tall ? x.transpose(0, 1) : x;
  y = y / sqrt(sum(square(y)) + kSmallest * kSmallest);
  for (int i = 0; i < iterations; ++i) {
    const Tensor gram = matmul(y, y.transpose(0, 1));
    const Tensor polynomial = gram * kThird + matmul(gram, gram) * kFifth;
    y = y * kFirst + matmul(polynomial, y);
  }
  return is_tall ? y.transpose(0, 1).dense() : y;
}

}  // namespace ripieno::optim
