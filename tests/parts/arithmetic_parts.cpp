#include "parts/part.h"
#include "ripieno/core/ops/arithmetic.h"

namespace ripieno::testing {

PartList arithmetic_parts() {
  return {"arithmetic",
          {
              {.name = "add",
               .cases = {{"same_shape", [](const Tensors& x) { return Tensors{x[0] + x[1]}; }},
                         {"broadcast", [](const Tensors& x) { return Tensors{x[0] + x[1]}; }}}},
              {.name = "exp",
               .cases = {{"odd_size", [](const Tensors& x) { return Tensors{exp(x[0])}; }}}},
          }};
}

}  // namespace ripieno::testing
