// ValidationSums: what a validation adds up to, over batches and ranks, for Validation.
//
// Where the part has slots, each is measured on its own, and all are added up in one order: the
// sums are then the same bits on any number of ranks.
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

// What a batch of validation adds up to: its loss, and further sums by name. Each is divided by
// the loss's count over all batches:
//   Measured{loss, {{"accuracy", correct}, {"top_5", among_five}}}
struct Measured {
  // `correct`: of the loss's count, for the accuracy.
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

  // Measures this rank's rows of a batch, where it has some. Throws DataError for ids out of range,
  // on a GPU too, and Error for a name that the run itself uses.
  void add(const io::Batch& batch, const std::function<Measured(const io::Batch&)>& measure);

  struct Total {
    double loss = 0, count = 0;
    std::vector<std::pair<std::string, double>> sums;
  };
  // Over all ranks. A collective.
  Total finish(distributed::Communicator& communicator);

 private:
  void measure_rows(int64_t slot, io::Rows rows, const io::Batch& batch,
                    const std::function<Measured(const io::Batch&)>& measure);
  double& sum_of(const std::string& name, int64_t slot);
  Tensor table(const std::vector<std::string>& names) const;

  // Of one name, by slot.
  struct Sums {
    std::string name;
    std::vector<double> of_slot;
  };

  io::Part part_;
  std::vector<double> losses_, counts_;  // by slot
  std::vector<Sums> sums_;               // in the order in which they were first measured
};

}  // namespace ripieno
