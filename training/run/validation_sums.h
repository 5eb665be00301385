// ValidationSums: what a validation adds up to, over batches and ranks, for Run.
//
// Where the part has slots, each is measured on its own, and all are added up in one order: the
// sums are then the same bits on any number of ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/part.h"

namespace ripieno {

// What a batch of validation adds up to.
struct Measured {
  Measured(Loss loss_of_batch, std::optional<int64_t> correct_of_batch = {})
      : loss(std::move(loss_of_batch)), correct(correct_of_batch) {}
  Loss loss;
  std::optional<int64_t> correct;  // of the loss's count, for the accuracy
};

class ValidationSums {
 public:
  explicit ValidationSums(io::Part part);

  // Measures this rank's rows of a batch, where it has some. Throws DataError for ids out of range,
  // on a GPU too.
  void add(const io::Batch& batch, const std::function<Measured(const io::Batch&)>& measure);

  struct Total {
    double loss = 0, count = 0;
    std::optional<double> correct;
  };
  // Over all ranks. A collective.
  Total finish(distributed::Communicator& communicator);

 private:
  void measure_rows(int64_t slot, io::Rows rows, const io::Batch& batch,
                    const std::function<Measured(const io::Batch&)>& measure);

  io::Part part_;
  Tensor sums_;  // (slots or 1, 4) float64: loss, count, correct, and whether that is counted
};

}  // namespace ripieno
