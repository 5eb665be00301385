// Element types of calls to NVIDIA's libraries. Private to kernels/cuda.
#pragma once

namespace ripieno::kernels::cuda {

enum class ElementType { kFloat32, kFloat64, kBFloat16, kFloat16 };

}  // namespace ripieno::kernels::cuda
