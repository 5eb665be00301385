// The content of a run's checkpoint: model and optimizer as tensors, the position of the run as
// JSON.
#pragma once

#include <optional>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/json.h"

namespace ripieno {

// Views of all parameters, buffers and optimizer state ("first_moment/blocks.0.up.weight"); of
// sharded state, the shard of this rank.
io::State state_of(nn::Module& model, optim::Optimizer& optimizer);
// Parameters and buffers only, for programs that use a trained model.
io::State state_of(nn::Module& model);

// The position of a run after a step.
struct Position {
  int64_t step = 0;
  int64_t samples = 0;  // since the start of the run, over all ranks
  int64_t optimizer_steps = 0;
  double learning_rate = 0;
  uint64_t seed = 0;
  // Of an optimizer that can skip steps; its steps are optimizer_steps.
  std::optional<optim::LossScale> loss_scale = {};
  bool evaluation_pending = false;  // a validation is due at `step` and not done yet
};

nlohmann::json to_json(const Position& position);
// Throws DataError if a member is missing or invalid.
Position position_from_json(const nlohmann::json& training_state);

}  // namespace ripieno
