// The cosine of the angle between the rows of two matrices, in one pass over both.
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// a, b: (rows, columns). A norm counts as at least `smallest`.
template <typename T>
struct RowPairs {
  const T* a = nullptr;
  const T* b = nullptr;
  int64_t rows = 0, columns = 0;
  double smallest = 1e-8;
};

// cosines[r] = a[r, :] . b[r, :] / (|a[r, :]| |b[r, :]|).   cosines: (rows); statistics: (rows, 3),
// for the backward: both norms and the cosine.
template <typename T>
void cosine_similarity_forward(OnCpu, T* cosines, accumulator_t<T>* statistics,
                               const RowPairs<T>& pairs);
template <typename T>
void cosine_similarity_forward(OnCuda, T* cosines, accumulator_t<T>* statistics,
                               const RowPairs<T>& pairs);

// grad_cosines: (rows); grad_a, grad_b: (rows, columns), or null if not needed.
template <typename T>
void cosine_similarity_backward(OnCpu, T* grad_a, T* grad_b, const T* grad_cosines,
                                const accumulator_t<T>* statistics, const RowPairs<T>& pairs);
template <typename T>
void cosine_similarity_backward(OnCuda, T* grad_a, T* grad_b, const T* grad_cosines,
                                const accumulator_t<T>* statistics, const RowPairs<T>& pairs);

}  // namespace ripieno::kernels
