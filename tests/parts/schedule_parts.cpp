// Schedules: learning rates of the steps that the first input lists.
#include "parts/part.h"
#include "ripieno/core/optim/schedule.h"

namespace ripieno::testing {
namespace {

using optim::PlateauOptions;
using optim::Schedule;
using Kind = Schedule::Kind;

Case rates_of(const std::string& name, Schedule schedule) {
  schedule.peak = 1.0;
  return {name, [schedule](const Tensors& x) {
            std::vector<double> rates;
            for (const int64_t step : x[0].to_vector<int64_t>()) rates.push_back(schedule.at(step));
            return Tensors{Tensor::of({x[0].size(0)}, rates)};
          }};
}

Case plateau(const std::string& name, const PlateauOptions& options) {
  return {name, [options](const Tensors& x) {
            optim::Plateau plateau(options);
            std::vector<double> scales;
            for (const double loss : x[1].to_vector<double>()) {
              plateau.note(loss);
              scales.push_back(plateau.scale());
            }
            return Tensors{Tensor::of({x[0].size(0)}, scales)};
          }};
}

Part schedule(const std::string& name, std::vector<Case> cases) {
  return {.name = name,
          .kind = PartKind::schedule,
          .cases = std::move(cases),
          .types = {DType::float64},
          .on_gpu = false};
}

}  // namespace

PartList schedule_parts() {
  return {
      "schedule",
      {
          schedule("chain", {rates_of("constant_cosine_linear",
                                      {.kind = Kind::chain,
                                       .parts = {{.warmup_steps = 4, .steps = 20},
                                                 {.kind = Kind::cosine, .final = 0.5, .steps = 30},
                                                 {.kind = Kind::linear, .steps = 40}}})}),
          schedule("cosine",
                   {rates_of("plain", {.kind = Kind::cosine, .final = 0.25, .steps = 80}),
                    rates_of("pytorch", {.kind = Kind::cosine, .final = 0.25, .steps = 100})}),
          schedule(
              "exponential",
              {rates_of("plain", {.kind = Kind::exponential, .factor = 0.9}),
               rates_of("with_least", {.kind = Kind::exponential, .final = 0.125, .factor = 0.9}),
               rates_of("after_warmup",
                        {.kind = Kind::exponential, .warmup_steps = 10, .factor = 0.9})}),
          schedule("inverse_square_root",
                   {rates_of("plain", {.kind = Kind::inverse_square_root, .warmup_steps = 16})}),
          schedule("linear",
                   {rates_of("plain", {.kind = Kind::linear, .final = 0.25, .steps = 80})}),
          schedule("multi_step",
                   {rates_of("plain", {.kind = Kind::multi_step, .milestones = {10, 40, 41}})}),
          schedule("one_cycle", {rates_of("plain", {.kind = Kind::one_cycle,
                                                    .final = 1.0 / 25 / 1e4,
                                                    .warmup_steps = 30,
                                                    .steps = 101,
                                                    .initial = 1.0 / 25})}),
          schedule("polynomial",
                   {rates_of("plain", {.kind = Kind::polynomial, .steps = 80, .power = 2.0})}),
          schedule("reduce_on_plateau",
                   {plateau("plain", {.factor = 0.5, .patience = 3}),
                    plateau("cooldown",
                            {.factor = 0.5, .patience = 2, .threshold = 0.1, .cooldown = 5})}),
          schedule("step",
                   {rates_of("plain", {.kind = Kind::step, .factor = 0.5, .interval = 30})}),
          schedule("warmup_stable_decay", {rates_of("plain", {.kind = Kind::warmup_stable_decay,
                                                              .final = 0.125,
                                                              .warmup_steps = 5,
                                                              .steps = 80,
                                                              .decay_steps = 20})}),
      }};
}

}  // namespace ripieno::testing
