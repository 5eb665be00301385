// What a checkpoint holds of a run: its model and optimizer as tensors, and where it stands as
// JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno {

// Views of every parameter and buffer, and of the optimizer's state,
// "first_moment/blocks.0.up.weight": of what is sharded, this rank's parts.
io::State state_of(nn::Module& model, optim::Optimizer& optimizer);
// Of parameters and buffers alone, for programs that use a trained model.
io::State state_of(nn::Module& model);

// Where a run stands after a step.
struct Position {
  int64_t step = 0;
  int64_t samples = 0;  // of all ranks together
  int64_t optimizer_steps = 0;
  double learning_rate = 0;
  uint64_t seed = 0;
  std::optional<optim::LossScale> loss_scale = {};  // its steps are optimizer_steps
  bool evaluation_pending = false;  // the validation that is due at `step` is not done
};

nlohmann::json to_json(const Position& position);
// Throws DataError where a member is missing or is not what it must be.
Position position_from_json(const nlohmann::json& training_state);

}  // namespace ripieno
