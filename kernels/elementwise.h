// Element-wise arithmetic: unary and binary with broadcasting, fill, cast, strided copies.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/elementwise_formulas.h"  // Unary, Binary

namespace ripieno::kernels {

inline constexpr int kMaxRank = 8;

// Iteration space of a contiguous row-major output, and the strides of the operands in it.
struct StridedShape {
  int rank = 0;
  int64_t sizes[kMaxRank] = {};      // of the output
  int64_t strides_a[kMaxRank] = {};  // elements; 0 where a is broadcast
  int64_t strides_b[kMaxRank] = {};
};

// out[i] = op(in[i]).   out may alias in.   T, here and below: float, double, bfloat16, float16.
template <typename T>
void unary(OnCpu, T* out, const T* in, int64_t size, Unary op);
template <typename T>
void unary(OnCuda, T* out, const T* in, int64_t size, Unary op);

// grad_in[i] = grad_out[i] * op'(in[i]).   grad_in may alias grad_out.
template <typename T>
void unary_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size, Unary op);
template <typename T>
void unary_backward(OnCuda, T* grad_in, const T* grad_out, const T* in, int64_t size, Unary op);

// out = op(a, b), all contiguous and of the same shape.   out may alias a or b.
template <typename T>
void binary(OnCpu, T* out, const T* a, const T* b, int64_t size, Binary op);
template <typename T>
void binary(OnCuda, T* out, const T* a, const T* b, int64_t size, Binary op);

// out = op(a, b) with broadcast or strided operands.   out is contiguous and must not alias a or b.
template <typename T>
void binary_strided(OnCpu, T* out, const T* a, const T* b, const StridedShape& shape, Binary op);
template <typename T>
void binary_strided(OnCuda, T* out, const T* a, const T* b, const StridedShape& shape, Binary op);

// out[i] = scale * in[i] + shift.   out may alias in.
template <typename T>
void affine(OnCpu, T* out, const T* in, int64_t size, double scale, double shift);
template <typename T>
void affine(OnCuda, T* out, const T* in, int64_t size, double scale, double shift);

// out[i] = value.   T: also int64_t, int32_t, uint8_t, bool.
template <typename T>
void fill(OnCpu, T* out, int64_t size, T value);
template <typename T>
void fill(OnCuda, T* out, int64_t size, T value);

// out[i] = To(in[i]).   From, To: any pair of float, double, bfloat16, float16, int64_t, int32_t,
// uint8_t, bool.
template <typename To, typename From>
void cast(OnCpu, To* out, const From* in, int64_t size);
template <typename To, typename From>
void cast(OnCuda, To* out, const From* in, int64_t size);

// Copies a, which has the strides shape.strides_a, to out, which is contiguous. Word is an unsigned
// type of the element's size (uint8_t, uint16_t, uint32_t, uint64_t): bits are copied unchanged.
template <typename Word>
void copy_strided(OnCpu, Word* out, const Word* a, const StridedShape& shape);
template <typename Word>
void copy_strided(OnCuda, Word* out, const Word* a, const StridedShape& shape);

// The reverse: copies in, which is contiguous, to out, which has the strides shape.strides_a.
// Memory between the elements of out is not touched.
template <typename Word>
void copy_to_strided(OnCpu, Word* out, const Word* in, const StridedShape& shape);
template <typename Word>
void copy_to_strided(OnCuda, Word* out, const Word* in, const StridedShape& shape);

}  // namespace ripieno::kernels
