// Fills memory with random numbers that depend only on (key, index); keys in the kernel's memory.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/philox.h"

namespace ripieno::kernels {

// *out = *step, but for `stream`: the key of one module in a step whose key is in the kernel's
// memory.
void key_of_stream(OnCpu, RandomKey* out, const RandomKey* step, uint64_t stream);
void key_of_stream(OnCuda, RandomKey* out, const RandomKey* step, uint64_t stream);

// out[i] = low + (high - low) * uniform(offset + i); uniform is in (0, 1].
template <typename T>
void fill_uniform(OnCpu, T* out, int64_t size, double low, double high, const RandomKey& key,
                  int64_t offset);
template <typename T>
void fill_uniform(OnCuda, T* out, int64_t size, double low, double high, const RandomKey& key,
                  int64_t offset);

// out[i] = mean + deviation * normal(offset + i), by the Box-Muller transform (1958). It is
// computed in double on all backends, so that their results differ at most by rounding to T.
template <typename T>
void fill_normal(OnCpu, T* out, int64_t size, double mean, double deviation, const RandomKey& key,
                 int64_t offset);
template <typename T>
void fill_normal(OnCuda, T* out, int64_t size, double mean, double deviation, const RandomKey& key,
                 int64_t offset);

}  // namespace ripieno::kernels
