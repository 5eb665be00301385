// The table of what a model can be made of: each part (an operation, a layer, a loss, an optimizer,
// …) with its cases. part_test.cpp verifies every case, print_parts.cpp writes docs/operations.md
// from the same table.
//
// A part's reference values are in references/<list>.h5, which scripts/references/<list>.py
// computes with PyTorch in float64:
//
//   /<part>/<case>/input_0, input_1, …       as passed to Case::call
//   /<part>/<case>/output_0, …               what it must return
//   /<part>/<case>/seed_0, …                 the gradient of each output; absent: no backward
//   /<part>/<case>/gradient_0, …             the gradient of each floating-point input
//
// Floating-point values are float64 and representable in bfloat16, so that every element type
// starts from the same numbers. Other inputs keep their type: int32, int64 or uint8.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::testing {

using Tensors = std::vector<Tensor>;

enum class PartKind { operation, layer, loss, optimizer, schedule, initializer, model };

struct Case {
  std::string name;
  std::function<Tensors(const Tensors& inputs)> call;
  // A factor on the tolerances of all element types.
  double tolerance = 1.0;
  // Off where a difference of +-1e-5 crosses a kink, or where outputs have no gradient.
  bool finite_differences = true;
  // Off for cases whose values only float64 or float32 can hold.
  bool small_types = true;
};

struct Part {
  std::string name;
  PartKind kind = PartKind::operation;
  std::vector<Case> cases;
  std::vector<DType> types = {DType::float64, DType::float32, DType::bfloat16, DType::float16};
  // Off for parts that run on the host only.
  bool on_gpu = true;
};

struct PartList {
  std::string name;  // of the file of its reference values
  std::vector<Part> parts;
};

// One list per file of this folder.
PartList activations_parts();
PartList convolution_parts();
PartList core_parts();
PartList elementwise_parts();
PartList gpt_parts();
PartList image_model_parts();
PartList initializer_parts();
PartList layer_parts();
PartList loss_parts();
PartList optimizer_parts();
PartList rearrange_parts();
PartList recurrent_parts();
PartList reductions_parts();
PartList schedule_parts();

// All lists.
std::vector<PartList> all_parts();

std::string name_of(PartKind kind);

}  // namespace ripieno::testing
