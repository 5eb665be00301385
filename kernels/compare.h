// Comparison, logic and selection, element by element, and the arithmetic of integers.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/comparison_formulas.h"  // Comparison, IntegerOperation

namespace ripieno::kernels {

// out[i] = compare(a[i], b[i]), or compare(a[i], b[0]) if `repeats_b`.   T: float, double,
// bfloat16, float16, int64_t, int32_t, uint8_t.
template <typename T>
void compare(OnCpu, bool* out, const T* a, const T* b, bool repeats_b, int64_t size,
             Comparison comparison);
template <typename T>
void compare(OnCuda, bool* out, const T* a, const T* b, bool repeats_b, int64_t size,
             Comparison comparison);

// out[i] = condition[i] ? a[i] : b[i]; with `repeats_a`, a[0] instead of a[i], and the same for b.
// Word is an unsigned type of the element's size, as for copy_strided().
template <typename Word>
void select(OnCpu, Word* out, const bool* condition, const Word* a, bool repeats_a, const Word* b,
            bool repeats_b, int64_t size);
template <typename Word>
void select(OnCuda, Word* out, const bool* condition, const Word* a, bool repeats_a, const Word* b,
            bool repeats_b, int64_t size);

// out[i] = a[i] op b[i], or a[i] op b[0] if `repeats_b`.   T: int64_t, int32_t, uint8_t. Results
// that do not fit wrap around. Division by 0 gives 0, and its remainder is a[i].
template <typename T>
void integer_binary(OnCpu, T* out, const T* a, const T* b, bool repeats_b, int64_t size,
                    IntegerOperation op);
template <typename T>
void integer_binary(OnCuda, T* out, const T* a, const T* b, bool repeats_b, int64_t size,
                    IntegerOperation op);

}  // namespace ripieno::kernels
