// Orthonormal columns, for PowerSGD.
#pragma once

#include <cstdint>
#include <vector>

namespace ripieno::distributed {

// Makes the columns of `x`, (rows, columns) row-major on the host, orthonormal in place, by
// Gram-Schmidt in double. One that depends on those before it becomes zero; returns whether none
// did. `workspace` keeps its memory from call to call.
bool make_orthonormal(float* x, int64_t rows, int64_t columns, std::vector<double>& workspace);

}  // namespace ripieno::distributed
