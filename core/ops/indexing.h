// Reading and writing elements by index.
//
// index: int64 or int32, on the device of x. An index outside its axis throws DataError on the CPU,
// before anything is computed; on a GPU it reads as 0, is not written to, and is reported later
// (device_faults.h). Gradients are sums in a fixed order, also where an index occurs several times,
// so they are bitwise reproducible; they require fewer than 2^31 elements in x. Negative axes count
// from the end. Throws Error for other types and shapes.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// result[i, …, k, …] = x[i, …, index[i, …, k, …], …], as torch.gather: index has the rank of x, and
// along the other axes at most its sizes. The result has the shape of index.
Tensor gather(const Tensor& x, int axis, const Tensor& index);

// x with x[i, …, index[i, …, k, …], …] = source[i, …, k, …]; source has the shape of index and the
// type of x. If an index occurs several times, its last element counts.
Tensor scatter(const Tensor& x, int axis, const Tensor& index, const Tensor& source);
// The same, but adds all elements of source to x. Floating point only.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source);

// The slices of x along an axis with these indices, (count): x[…, index[k], …].
Tensor index_select(const Tensor& x, int axis, const Tensor& index);

// A new last axis with 1 at the class of each element and 0 elsewhere. classes: their number.
Tensor one_hot(const Tensor& index, int64_t classes, DType dtype = DType::int64);

}  // namespace ripieno
