// StatisticsSum: sums the batch statistics of a model's layers over the ranks that train it, so
// that batch normalization sees the rows of all ranks.
//
// distributed::DataParallel implements one and registers it for the buffers of its model; a layer
// finds it by its buffers. Without one, a layer uses the statistics of its own rows.
#pragma once

#include <memory>

#include "ripieno/core/tensor.h"

namespace ripieno {

class StatisticsSum {
 public:
  virtual ~StatisticsSum() = default;
  // Replaces x by the sum of all ranks' x.   x: dense, float64. A collective: the layers of all
  // ranks call it in the same order, in their forwards and backwards.
  virtual void sum(const Tensor& x) = 0;
};

// Registers `sum` for all tensors that share the memory of `buffers`, while it exists.
class SharedStatistics {
 public:
  SharedStatistics(const Tensor& buffers, std::shared_ptr<StatisticsSum> sum);
  ~SharedStatistics();
  SharedStatistics(const SharedStatistics&) = delete;
  SharedStatistics& operator=(const SharedStatistics&) = delete;

 private:
  const void* memory_;
};

// The sum registered for the memory of `buffer`, or null. Any thread may call it.
std::shared_ptr<StatisticsSum> statistics_sum_of(const Tensor& buffer);

}  // namespace ripieno
