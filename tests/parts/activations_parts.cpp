#include "parts/cases.h"
#include "parts/part.h"
#include "ripieno/core/ops/activation.h"

namespace ripieno::testing {
namespace {

template <typename Function>
Part activation_part(const char* name, Function function, std::vector<Case> more = {}) {
  std::vector<Case> cases = {of_one("odd_size", function), of_one("matrix", function),
                             of_one("empty", function), of_one("special", function)};
  cases.insert(cases.end(), more.begin(), more.end());
  return {name, PartKind::operation, cases};
}

}  // namespace

PartList activations_parts() {
  return {
      "activations",
      {activation_part("relu", relu),
       activation_part("gelu", gelu),
       activation_part("gelu_tanh", gelu_tanh),
       activation_part("sigmoid", sigmoid),
       activation_part("silu", silu),
       activation_part("mish", mish),
       activation_part("softplus", [](const Tensor& x) { return softplus(x); },
                       {of_one("beta", [](const Tensor& x) { return softplus(x, 2.5); })}),
       activation_part("leaky_relu", [](const Tensor& x) { return leaky_relu(x); },
                       {of_one("slope", [](const Tensor& x) { return leaky_relu(x, 0.25); })}),
       activation_part("elu", [](const Tensor& x) { return elu(x); },
                       {of_one("alpha", [](const Tensor& x) { return elu(x, 0.5); })}),
       activation_part("hard_sigmoid", hard_sigmoid),
       activation_part("hard_swish", hard_swish),
       activation_part("squared_relu", squared_relu),
       {"prelu", PartKind::operation, {of_two("one_weight", prelu), of_two("per_channel", prelu)}},
       {"glu",
        PartKind::operation,
        {of_one("last_axis", [](const Tensor& x) { return glu(x); }),
         of_one("first_axis", [](const Tensor& x) { return glu(x, 0); })}}}};
}

}  // namespace ripieno::testing
