#include "ripieno/distributed/strategies/strict.h"

#include "ripieno/core/error.h"

namespace ripieno::distributed {
namespace {

[[noreturn]] void fail_without_rows() {
  fail(
      "backward: parallel.strict requires the rows of the whole step; call backward(rows, "
      "loss_of)");
}

}  // namespace

Strict::Strict(const Replica& replica, int slots)
    : replica_(replica),
      backward_(replica.parameters(), replica.communicator, slots, replica.bucket_bytes) {}

void Strict::backward(const Loss&, bool) { fail_without_rows(); }

void Strict::backward_without_rows() { fail_without_rows(); }

void Strict::backward(int64_t rows, const LossOf& loss_of) {
  const PhaseTimes::Span span(replica_.times, &ParallelSeconds::backward);
  backward_.backward(rows, loss_of, replica_.optimizer.loss_scale());
}

void Strict::report(MemoryReport& report) {
  report.lines.push_back(
      {.what = "gradients of slots", .bytes = backward_.bytes_beside_gradients()});
}

}  // namespace ripieno::distributed
