// DataParallelOptions: how the ranks of a DataParallel train together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ripieno/core/dtype.h"

namespace ripieno::distributed {

// What is sharded over the ranks instead of replicated: nothing, optimizer state, or optimizer
// state and gradients (ZeRO stages 1 and 2: Rajbhandari et al., 2020, arXiv:1910.02054).
enum class Shard { none, optimizer, gradients };

// Options of DiLoCo (diloco.h).
struct DilocoOptions {
  int64_t steps = 0;  // optimizer steps per outer step; 0 disables DiLoCo
  double outer_learning_rate = 0.7;
  double outer_momentum = 0.9;
};

struct DataParallelOptions {
  Shard shard = Shard::none;
  // Bytes of gradients that one collective sums; if not given, chosen by measuring the link between
  // the ranks (bucket_size.h).
  std::optional<std::size_t> bucket_bytes = {};
  // Sum gradients in a background thread while backward runs; over MPI this requires
  // MPI_THREAD_MULTIPLE.
  bool overlap = true;
  // Rows per micro-batch in DataParallel::backward(rows, loss_of); 0: all rows at once.
  int64_t micro_batch_size = 0;
  // Strict mode (strict_backward.h): the number of slots that the global batch is cut into; they
  // replace micro-batches. Results are then bitwise identical on any number of ranks and threads.
  // At least the number of ranks; 0 disables strict mode.
  int slots = 0;
  // Wire type of gradients (wire.h): bfloat16, or float32 for the gradients' own element type.
  DType wire = DType::float32;
  int power_sgd_rank = 0;  // rank of the PowerSGD approximation (power_sgd.h); 0 disables it
  DilocoOptions diloco = {};
};

}  // namespace ripieno::distributed
