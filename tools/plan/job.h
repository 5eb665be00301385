// Job: what a run computes, keeps and sends, as its configuration says. The input of the planning
// model, which has no other knowledge of the run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/dtype.h"
#include "ripieno/distributed/strategies/options.h"
#include "ripieno/training/models/model_work.h"

namespace ripieno::tools::plan {

// What the model costs with another setting.
struct OtherWork {
  std::string how;  // "--set train.recompute=blocks"
  ModelWork work;
};

struct Job {
  ModelWork work;
  std::vector<OtherWork> other_work = {};
  std::shared_ptr<const ArenaLayout> layout = {};  // of the parameters
  int64_t parameters = 0;                          // without padding
  // Of the optimizer, float32, without master weights; `share`: elements per parameter.
  struct StateTensors {
    std::string name;
    double share = 1.0;
  };
  std::vector<StateTensors> state = {};
  double state_floats() const {  // per parameter
    double floats = 0;
    for (const StateTensors& tensors : state) floats += tensors.share;
    return floats;
  }
  bool clips = false;  // the norm of the gradients
  DType precision = DType::float32;
  bool tf32 = false;
  distributed::DataParallelOptions parallel = {};
  int64_t batch_size = 0;  // samples per step of all ranks
  int64_t steps = 0;
  std::optional<int64_t> checkpoint_every = {};  // empty: chosen so that saving takes at most 3 %
  int64_t evaluate_every = 0;
  int64_t validation_samples = 0;  // 0: none, or unknown
  int threads = 0;                 // per rank; 0: the cores of the host divided among its ranks

  bool has_master_weights() const { return size_of(precision) < sizeof(float); }
  // Of one rank; the rank with the most samples.
  int64_t rows(int ranks) const { return (batch_size + ranks - 1) / ranks; }
  // Samples of one forward and backward pass.
  int64_t micro_rows(int ranks) const;
  int64_t micro_batches(int ranks) const;
};

}  // namespace ripieno::tools::plan
