#include "ripieno/training/run/training_state.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/checked_json.h"

namespace ripieno {
namespace {

using nlohmann::json;

[[noreturn]] void reject(const char* name, const json& value) {
  throw DataError(fmt::format("invalid {}: {}", name, io::excerpt(value)));
}

double rate_of(const json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) reject("learning_rate", value);
  return value.get<double>();
}

uint64_t seed_of(const json& value) {
  const bool is_seed =
      value.is_number_unsigned() || (value.is_number_integer() && value.get<int64_t>() >= 0);
  if (!is_seed) reject("seed", value);
  return value.get<uint64_t>();
}

bool flag_of(const json& value) {
  if (!value.is_boolean()) reject("evaluation_pending", value);
  return value.get<bool>();
}

// Empty if the loss was not scaled.
std::optional<optim::LossScale> loss_scale_of(const json& state) {
  if (!state.contains("loss_scale")) return std::nullopt;
  const json& kept = state["loss_scale"];
  const json& scale = io::member(kept, "scale");
  const int64_t good_steps = io::count_member(kept, "good_steps", kernels::kGoodStepsToDouble - 1);
  if (!scale.is_number() || !(scale.get<double>() >= kernels::kSmallestLossScale) ||
      !(scale.get<double>() <= kernels::kLargestLossScale))
    reject("scale", scale);
  return optim::LossScale{.scale = scale.get<float>(),
                          .good_steps = static_cast<int32_t>(good_steps),
                          .steps = io::count_member(state, "optimizer_steps"),
                          .skipped_steps = io::count_member(kept, "skipped_steps")};
}

// The norms to which an outlier is compared.
void read_norms(const json& kept, optim::LossScale& state) {
  const json& mean = io::member(kept, "mean");
  if (!mean.is_number() || !(mean.get<double>() >= 0) || !std::isfinite(mean.get<double>()))
    reject("mean", mean);
  state.mean_norm = mean.get<double>();
  state.norms = io::count_member(kept, "count", kernels::kNormsInMean);
  state.skipped_steps = io::count_member(kept, "skipped_steps");
}

// Empty if the optimizer could not skip steps.
std::optional<optim::LossScale> skipping_of(const json& state) {
  auto scale = loss_scale_of(state);
  if (!state.contains("gradient_norms")) return scale;
  if (!scale)
    scale = {.scale = 1.0f, .steps = io::count_member(state, "optimizer_steps"), .is_fixed = 1};
  read_norms(state["gradient_norms"], *scale);
  return scale;
}

}  // namespace

io::State state_of(nn::Module& model) {
  io::State state;
  const Parameters parameters = model.parameters();
  const auto& entries = parameters.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    state.push_back(
        io::state_of(entries[i].name, io::StateKind::parameter, parameters.tensors()[i].detach()));
  }
  Arena& buffers = model.buffers();
  buffers.materialize();
  for (std::size_t i = 0; i < buffers.tensors().size(); ++i) {
    state.push_back(io::state_of(buffers.layout().entries()[i].name, io::StateKind::buffer,
                                 buffers.tensors()[i].detach()));
  }
  return state;
}

io::State state_of(nn::Module& model, optim::Optimizer& optimizer) {
  io::State state = state_of(model);
  const auto& entries = optimizer.parameters().layout().entries();
  for (const auto& moment : optimizer.state()) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto [begin, part] = optimizer.part_of(moment, i);
      state.push_back({.name = moment.name + "/" + entries[i].name,
                       .kind = io::StateKind::optimizer,
                       .dtype = moment.arena->dtype(),
                       .shape = optimizer.shape_of(moment, i),
                       .begin = begin,
                       .part = part,
                       .sharded = optimizer.is_sharded()});
    }
  }
  return state;
}

nlohmann::json to_json(const Position& position) {
  json state = {{"step", position.step},
                {"samples", position.samples},
                {"optimizer_steps", position.optimizer_steps},
                {"learning_rate", position.learning_rate},
                {"random", {{"seed", position.seed}, {"step", position.step}}},
                {"evaluation_pending", position.evaluation_pending}};
  if (const auto& scale = position.loss_scale; scale && !scale->is_fixed) {
    state["loss_scale"] = {{"scale", scale->scale},
                           {"good_steps", scale->good_steps},
                           {"skipped_steps", scale->skipped_steps}};
  }
  if (const auto& scale = position.loss_scale;
      scale && (scale->is_fixed || scale->outlier_factor > 0)) {
    state["gradient_norms"] = {{"mean", scale->mean_norm},
                               {"count", scale->norms},
                               {"skipped_steps", scale->skipped_steps}};
  }
  return state;
}

Position position_from_json(const nlohmann::json& training_state) {
  try {
    if (training_state.contains("data_fingerprint"))
      io::text_member(training_state, "data_fingerprint");
    return {.step = io::count_member(training_state, "step"),
            .samples = io::count_member(training_state, "samples"),
            .optimizer_steps = io::count_member(training_state, "optimizer_steps"),
            .learning_rate = rate_of(io::member(training_state, "learning_rate")),
            .seed = seed_of(io::member(io::member(training_state, "random"), "seed")),
            .loss_scale = skipping_of(training_state),
            .evaluation_pending = flag_of(io::member(training_state, "evaluation_pending"))};
  } catch (const DataError& error) {
    throw DataError(
        fmt::format("the checkpoint has no valid state of a training run: {}", error.what()));
  }
}

}  // namespace ripieno
