// DirectionStep: a step of one tensor along a direction whose length depends on the norms of both
// (kernels/tensor_rules.h). Not installed.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/reduce.h"
#include "ripieno/kernels/tensor_rules.h"

namespace ripieno::optim {

// T: element type of the parameters.
template <typename T>
class DirectionStep {
 public:
  using A = kernels::accumulator_t<T>;

  // Allocates a direction of `size` elements, and what the norms need.
  DirectionStep(Device device, int64_t size)
      : size_(size),
        direction_({size}, dtype_of<A>, device),
        squares_({2}, DType::float64, device),
        partials_({(size + kernels::kSumChunk - 1) / kernels::kSumChunk}, DType::float64, device),
        factors_({static_cast<int64_t>(sizeof(kernels::DirectionFactors))}, DType::uint8, device) {}

  A* numbers() const { return direction_.template data<A>(); }

  // Measures the values and the direction, calls compute(factors, squares), and takes the step.
  template <typename On, typename Compute>
  void take(On on, const kernels::ArenaStep<T>& step, const Compute& compute) const {
    double* const squares = squares_.template data<double>();
    double* const partials = partials_.template data<double>();
    if (step.master) {
      kernels::sum_of_squares(on, squares, partials, step.master, size_);
    } else {
      kernels::sum_of_squares(on, squares, partials, step.parameter, size_);
    }
    kernels::sum_of_squares(on, squares + 1, partials, numbers(), size_);
    auto* const factors = static_cast<kernels::DirectionFactors*>(factors_.raw_data());
    compute(factors, squares);
    kernels::take_direction(on, step, numbers(), factors);
  }

 private:
  int64_t size_;
  Tensor direction_, squares_, partials_, factors_;
};

}  // namespace ripieno::optim
