#include "ripieno/training/training_state.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"

namespace ripieno {

io::State state_of(nn::Module& model) {
  io::State state;
  const Parameters parameters = model.parameters();
  const auto& entries = parameters.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    state.push_back(
        io::state_of(entries[i].name, io::StateKind::parameter, parameters.tensors()[i].detach()));
  }
  return state;
}

io::State state_of(nn::Module& model, optim::Optimizer& optimizer) {
  io::State state = state_of(model);
  for (const auto& slot : optimizer.state()) {
    slot.arena->materialize();
    const auto& entries = slot.arena->layout().entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      state.push_back(io::state_of(slot.name + "/" + entries[i].name, io::StateKind::optimizer,
                                   slot.arena->tensors()[i]));
    }
  }
  return state;
}

nlohmann::json to_json(const Position& position) {
  return {{"step", position.step},
          {"samples", position.samples},
          {"optimizer_steps", position.optimizer_steps},
          {"learning_rate", position.learning_rate},
          {"random", {{"seed", position.seed}, {"step", position.step}}},
          {"evaluation_pending", position.evaluation_pending}};
}

Position position_from_json(const nlohmann::json& training_state) {
  try {
    return {.step = training_state.at("step"),
            .samples = training_state.at("samples"),
            .optimizer_steps = training_state.at("optimizer_steps"),
            .learning_rate = training_state.at("learning_rate"),
            .seed = training_state.at("random").at("seed"),
            .evaluation_pending = training_state.at("evaluation_pending")};
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("the checkpoint is not of a training run: {}", error.what()));
  }
}

}  // namespace ripieno
