// Multiplication by a factor in the kernel's memory.
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// out[i] = scale * *factor * in[i] (+ out[i] if `accumulate`).   in, out: (size); out may alias in.
// From: T or accumulator_t<T>.
template <typename T, typename From>
void scale_by(OnCpu, T* out, const From* in, const accumulator_t<T>* factor, int64_t size,
              double scale, bool accumulate);
template <typename T, typename From>
void scale_by(OnCuda, T* out, const From* in, const accumulator_t<T>* factor, int64_t size,
              double scale, bool accumulate);

}  // namespace ripieno::kernels
