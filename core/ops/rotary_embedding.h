// Rotary position embedding (Su et al., 2021, arXiv 2104.09864), with the pairs of channels of
// Hugging Face's Llama: i and i + half.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/rotary.h"

namespace ripieno {

using kernels::RotaryFrequencies;

// The cosines and sines of positions first, first + 1, … -> (time, channels): the first half of a
// row are cosines. float64 if `dtype` is, float32 otherwise. One table serves all layers.
//   channels: the number of rotated channels of a head, even
// Throws Error for sizes below 1 and for frequencies outside their domain.
Tensor rotary_table(int64_t time, int64_t channels, const RotaryFrequencies& frequencies,
                    DType dtype = DType::float32, Device device = Device::cpu(), int64_t first = 0);
// The same of positions (…), int32 -> (…, channels), on their device.
Tensor rotary_table(const Tensor& positions, int64_t channels, const RotaryFrequencies& frequencies,
                    DType dtype = DType::float32);

// Rotates the first channels of each head, as many as the table has; the others are copied.
//   x: (batch, time, heads, head_size); table: (time, channels) or (batch, time, channels), with
//     channels <= head_size
//   -> (batch, time, heads, head_size)
// The table gets no gradient. Throws Error for other shapes, types or devices.
Tensor rotary_embedding(const Tensor& x, const Tensor& table);

}  // namespace ripieno
