// ValidationSums: sums the loss and other metrics over batches and ranks. Used by Validation.
//
// In strict mode each slot is measured separately and the slots are summed in a fixed order, so the
// sums are bitwise identical on any number of ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/part.h"
#include "ripieno/io/run/metrics.h"

namespace ripieno {

// The measurement of a validation batch: its loss, and sums of further metrics by name. Each sum is
// divided by the loss's count over all batches:
//   Measured{loss, {{"accuracy", correct}, {"top_5", among_five}}}
struct Measured {
  // `correct`: how many of the loss's count were predicted correctly, for the accuracy.
  Measured(Loss loss_of_batch, std::optional<int64_t> correct = {})
      : loss(std::move(loss_of_batch)) {
    if (correct) sums.push_back({io::metric::kAccuracy, *correct});
  }
  Measured(Loss loss_of_batch, std::vector<io::Metric> sums_of_batch)
      : loss(std::move(loss_of_batch)), sums(std::move(sums_of_batch)) {}
  Loss loss;
  std::vector<io::Metric> sums;
};

class ValidationSums {
 public:
  explicit ValidationSums(io::Part part);

  // Measures this rank's rows of a batch, if it has any. Throws DataError for ids out of range,
  // also on a GPU, and Error for a metric name that is reserved for the run.
  void add(const io::Batch& batch, const std::function<Measured(const io::Batch&)>& measure);

  struct Total {
    double loss = 0, count = 0;
    std::vector<std::pair<std::string, double>> sums;
  };
  // The sums over all ranks. A collective.
  Total finish(distributed::Communicator& communicator);

 private:
  void measure_rows(int64_t slot, io::Rows rows, const io::Batch& batch,
                    const std::function<Measured(const io::Batch&)>& measure);
  double& sum_of(const std::string& name, int64_t slot);
  Tensor table(const std::vector<std::string>& names) const;

  // The sums of one metric, by slot.
  struct Sums {
    std::string name;
    std::vector<double> of_slot;
  };

  io::Part part_;
  std::vector<double> losses_, counts_;  // by slot
  std::vector<Sums> sums_;               // in the order of their first measurement
};

}  // namespace ripieno
