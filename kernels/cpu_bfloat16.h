// Whether CPU kernels multiply bfloat16 by the processor's own instructions (AVX512-BF16), which
// are twice as fast as products in float.
//
// On processors with them, kernels of the level x86-64-v4 use them for bfloat16. Everything else
// converts the factors to float. The results are the same, except for numbers below 2^-126
// (docs/numbers.md).
#pragma once

namespace ripieno::kernels {

// Whether the loaded kernels and the processor have the instructions.
bool has_bfloat16_instructions() noexcept;

// Whether they are used: by default if they exist and RIPIENO_CPU_BFLOAT16 is not 0. One value per
// process; thread-safe.
bool uses_bfloat16_instructions() noexcept;
// Enables or disables them. Has no effect if they do not exist.
void use_bfloat16_instructions(bool enable) noexcept;

}  // namespace ripieno::kernels
