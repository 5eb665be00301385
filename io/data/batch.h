// Batch: the rows of a training batch that one rank has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::io {

// Targets of this value count neither in a loss nor in an accuracy.
inline constexpr int32_t kIgnoredTarget = -1;

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// This rank's rows of a batch, on the CPU.
struct Batch {
  Tensor inputs;            // (rows, …)
  Tensor targets;           // (rows, …), int32
  int64_t first_row = 0;    // where these rows begin in the batch of all ranks
  int64_t global_rows = 0;  // of all ranks together
  int64_t units = 0;        // tokens or samples (Loader::unit), of all ranks together
  // What else the samples have: lengths, masks, document ids; each is (rows, …).
  std::vector<NamedTensor> extras = {};

  // The extra of that name. Throws Error where there is none.
  const Tensor& extra(std::string_view name) const;
};

}  // namespace ripieno::io
