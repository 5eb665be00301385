// The function of matmul_algorithms.h in a build without CUDA.
#include "ripieno/kernels/matmul_algorithms.h"

namespace ripieno::kernels {

std::string matmul_library() { return "built without CUDA"; }

}  // namespace ripieno::kernels
