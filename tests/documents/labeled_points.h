// Training data of the programs in this folder: points whose class is their largest coordinate.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/random.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// inputs: (count, width), float32; targets: (count), int32 classes below `classes` <= width.
struct LabeledPoints {
  Tensor inputs, targets;
};

inline LabeledPoints labeled_points(int64_t count, int64_t width, int64_t classes) {
  LabeledPoints points{Tensor({count, width}), Tensor({count}, DType::int32)};
  fill_uniform(points.inputs, -1.0, 1.0, {.seed = 1});
  for (int64_t i = 0; i < count; ++i) {
    const float* first = points.inputs.data<float>() + i * width;
    points.targets.data<int32_t>()[i] =
        static_cast<int32_t>(std::max_element(first, first + classes) - first);
  }
  return points;
}

}  // namespace ripieno
