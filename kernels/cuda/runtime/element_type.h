// The element types that NVIDIA's libraries are asked to compute in. Private to kernels/cuda.
#pragma once

namespace ripieno::kernels::cuda {

enum class ElementType { kFloat32, kFloat64, kBFloat16, kFloat16 };

}  // namespace ripieno::kernels::cuda
