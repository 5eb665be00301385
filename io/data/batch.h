// Batch: one rank's rows of a global batch, as a Loader returns it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/tensor.h"
#include "ripieno/io/data/data_policy.h"

namespace ripieno::io {

// Targets with this value are ignored by losses and accuracies.
inline constexpr int32_t kIgnoredTarget = -1;

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// All tensors are on the CPU. A rank may have no rows.
struct Batch {
  Tensor inputs;            // (rows, …)
  Tensor targets;           // (rows, …), int32 unless the data set's layout() says otherwise
  int64_t first_row = 0;    // index of the first of these rows in the global batch
  int64_t global_rows = 0;  // number of rows of all ranks together
  int64_t units = 0;        // tokens or samples (Loader::unit) of all ranks together
  // Additional tensors, e.g. lengths, masks or document ids; each is (rows, …).
  std::vector<NamedTensor> extras = {};
  // This rank's rows that could not be read: inputs are 0, and targets are kIgnoredTarget.
  SkippedData skipped = {};

  // The additional tensor `name`. Throws Error if there is none.
  const Tensor& extra(std::string_view name) const;
};

}  // namespace ripieno::io
