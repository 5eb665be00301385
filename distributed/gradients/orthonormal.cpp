#include "ripieno/distributed/gradients/orthonormal.h"

#include <cmath>
#include <numeric>

namespace ripieno::distributed {
namespace {

// Of a column, to what it was: less is rounding, even where the column came from sums in float.
constexpr double kDependent = 1e-9;

double product(const double* a, const double* b, int64_t rows) {
  return std::inner_product(a, a + rows, b, 0.0);
}

void subtract(double* a, const double* b, double factor, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) a[i] -= factor * b[i];
}

// A NaN passes through, so that it is seen where the numbers are used.
bool normalize(double* column, double original, int64_t rows) {
  const double norm = std::sqrt(product(column, column, rows));
  const bool depends = norm <= kDependent * original;
  for (int64_t i = 0; i < rows; ++i) column[i] = depends ? 0.0 : column[i] / norm;
  return !depends;
}

}  // namespace

bool make_orthonormal(float* x, int64_t rows, int64_t columns, std::vector<double>& workspace) {
  workspace.resize(static_cast<std::size_t>(rows * columns));  // (columns, rows)
  double* transposed = workspace.data();
  for (int64_t i = 0; i < rows * columns; ++i) {
    transposed[i % columns * rows + i / columns] = static_cast<double>(x[i]);
  }
  bool independent = true;
  for (int64_t column = 0; column < columns; ++column) {
    double* mine = transposed + column * rows;
    const double original = std::sqrt(product(mine, mine, rows));
    for (int64_t before = 0; before < column; ++before) {
      const double* other = transposed + before * rows;
      subtract(mine, other, product(mine, other, rows), rows);
    }
    independent = normalize(mine, original, rows) && independent;
  }
  for (int64_t i = 0; i < rows * columns; ++i) {
    x[i] = static_cast<float>(transposed[i % columns * rows + i / columns]);
  }
  return independent;
}

}  // namespace ripieno::distributed
