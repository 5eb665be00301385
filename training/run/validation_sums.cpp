#include "ripieno/training/run/validation_sums.h"

#include <algorithm>

#include "ripieno/core/device_faults.h"

namespace ripieno {
namespace {

constexpr int kColumns = 4;

}  // namespace

ValidationSums::ValidationSums(io::Part part)
    : part_(part), sums_(Tensor::zeros({std::max(1, part.slots), kColumns}, DType::float64)) {}

void ValidationSums::add(const io::Batch& batch,
                         const std::function<Measured(const io::Batch&)>& measure) {
  const int64_t rows = batch.targets.size(0);
  if (part_.slots == 0) return measure_rows(0, {0, rows}, batch, measure);
  const io::Rows slots = io::piece_of(part_.rank, part_.size, part_.slots);
  for (int64_t slot = slots.begin; slot < slots.end; ++slot) {
    const io::Rows global = io::piece_of(slot, part_.slots, batch.global_rows);
    measure_rows(slot, {global.begin - batch.first_row, global.end - batch.first_row}, batch,
                 measure);
  }
}

void ValidationSums::measure_rows(int64_t slot, io::Rows rows, const io::Batch& batch,
                                  const std::function<Measured(const io::Batch&)>& measure) {
  if (rows.count() == 0) return;
  const Measured measured = measure({batch.inputs.slice(0, rows.begin, rows.end),
                                     batch.targets.slice(0, rows.begin, rows.end),
                                     batch.first_row + rows.begin, batch.global_rows});
  double* sums = sums_.data<double>() + slot * kColumns;
  sums[0] += measured.loss.sum.item();
  sums[1] += measured.loss.count.item();
  require_no_fault(measured.loss.sum.device());
  sums[2] += static_cast<double>(measured.correct.value_or(0));
  sums[3] = measured.correct ? 1.0 : 0.0;
}

ValidationSums::Total ValidationSums::finish(distributed::Communicator& communicator) {
  // A slot's numbers are one rank's; the others add zero to them.
  if (communicator.size() > 1) communicator.all_reduce(sums_);
  Total total;
  double correct = 0;
  bool counts_correct = false;
  for (int64_t slot = 0; slot < sums_.size(0); ++slot) {
    const double* sums = sums_.data<double>() + slot * kColumns;
    total.loss += sums[0];
    total.count += sums[1];
    correct += sums[2];
    counts_correct = counts_correct || sums[3] > 0;
  }
  if (counts_correct) total.correct = correct;
  return total;
}

}  // namespace ripieno
