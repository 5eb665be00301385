// DataParallelOptions: how the ranks of a DataParallel train together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ripieno/core/dtype.h"

namespace ripieno::distributed {

// What is divided among the ranks instead of replicated: the optimizer's state, or the gradients as
// well (ZeRO stages 1 and 2: Rajbhandari et al., 2020, arXiv 1910.02054).
enum class Shard { none, optimizer, gradients };

// diloco.h
struct DilocoOptions {
  int64_t steps = 0;  // of the optimizer between two outer steps; 0 disables DiLoCo
  double outer_learning_rate = 0.7;
  double outer_momentum = 0.9;
};

struct DataParallelOptions {
  Shard shard = Shard::none;
  // Size of the ranges of the arena in which gradients are summed; measured to suit the link
  // between the ranks where not given.
  std::optional<std::size_t> bucket_bytes = {};
  // Sum in a thread of its own while backward runs; over MPI this requires MPI_THREAD_MULTIPLE.
  bool overlap = true;
  // Rows per micro-batch of backward(rows, …); 0: all rows at once.
  int64_t micro_batch_size = 0;
  // Strict mode (strict_backward.h): the number of slots that the global batch is cut into, which
  // replace micro-batches, so that results are bitwise the same on any number of ranks and threads.
  // 0 disables it.
  int slots = 0;
  // Element type in which gradients cross the network (wire.h): the parameters' own, or bfloat16.
  DType wire = DType::float32;
  int power_sgd_rank = 0;  // power_sgd.h; 0 disables compression
  DilocoOptions diloco = {};
};

}  // namespace ripieno::distributed
