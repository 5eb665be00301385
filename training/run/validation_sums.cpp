#include "ripieno/training/run/validation_sums.h"

#include <algorithm>
#include <sstream>

#include "ripieno/core/device_faults.h"
#include "ripieno/distributed/communicators/exchange.h"

namespace ripieno {
namespace {

// The names on all ranks: one without rows has measured nothing.
std::vector<std::string> all_names(distributed::Communicator& communicator,
                                   const std::vector<std::string>& mine) {
  if (communicator.size() == 1) return mine;
  std::string lines;
  for (const auto& name : mine) lines += name + '\n';
  std::vector<std::string> names;
  for (const auto& theirs : gather(communicator, lines)) {
    std::istringstream stream(theirs);
    for (std::string name; std::getline(stream, name);) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

io::Batch part_of(const io::Batch& batch, io::Rows rows) {
  const auto cut = [&](const Tensor& tensor) { return tensor.slice(0, rows.begin, rows.end); };
  io::Batch part{cut(batch.inputs), cut(batch.targets), batch.first_row + rows.begin,
                 batch.global_rows, batch.units};
  for (const auto& extra : batch.extras) part.extras.push_back({extra.name, cut(extra.tensor)});
  return part;
}

}  // namespace

ValidationSums::ValidationSums(io::Part part)
    : part_(part),
      losses_(static_cast<std::size_t>(std::max(1, part.slots))),
      counts_(losses_.size()) {}

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
  const Measured measured = measure(part_of(batch, rows));
  losses_[static_cast<std::size_t>(slot)] += measured.loss.sum.item();
  counts_[static_cast<std::size_t>(slot)] += measured.loss.count.item();
  require_no_fault(measured.loss.sum.device());
  for (const auto& metric : measured.sums) sum_of(metric.name, slot) += metric.number();
}

double& ValidationSums::sum_of(const std::string& name, int64_t slot) {
  auto found =
      std::find_if(sums_.begin(), sums_.end(), [&](const Sums& sums) { return sums.name == name; });
  if (found == sums_.end()) {
    if (name != io::metric::kAccuracy) io::require_custom_metric_name(name);
    found = sums_.insert(found, {name, std::vector<double>(losses_.size())});
  }
  return found->of_slot[static_cast<std::size_t>(slot)];
}

// The sums of this rank, float64 (slots or 1, 2 + names): loss, count, then one column per name.
Tensor ValidationSums::table(const std::vector<std::string>& names) const {
  const auto columns = std::ssize(names) + 2;
  Tensor table = Tensor::zeros({std::ssize(losses_), columns}, DType::float64);
  for (std::size_t slot = 0; slot < losses_.size(); ++slot) {
    double* row = table.data<double>() + static_cast<int64_t>(slot) * columns;
    row[0] = losses_[slot];
    row[1] = counts_[slot];
    for (const auto& sums : sums_) {
      const auto column = std::find(names.begin(), names.end(), sums.name) - names.begin();
      row[2 + column] = sums.of_slot[slot];
    }
  }
  return table;
}

ValidationSums::Total ValidationSums::finish(distributed::Communicator& communicator) {
  std::vector<std::string> names;
  for (const auto& sums : sums_) names.push_back(sums.name);
  names = all_names(communicator, names);
  const Tensor sums = table(names);
  // Each slot was measured on one rank; the others contribute zeros, which change no bit.
  if (communicator.size() > 1) communicator.all_reduce(sums);
  Total total;
  for (const auto& name : names) total.sums.emplace_back(name, 0.0);
  const auto columns = std::ssize(names) + 2;
  for (int64_t slot = 0; slot < sums.size(0); ++slot) {
    const double* row = sums.data<double>() + slot * columns;
    total.loss += row[0];
    total.count += row[1];
    for (std::size_t i = 0; i < names.size(); ++i) total.sums[i].second += row[2 + i];
  }
  return total;
}

}  // namespace ripieno
