// Reads the reference values of a case (part.h).
#pragma once

#include <string>

#include "parts/part.h"

namespace ripieno::testing {

struct ReferenceValues {
  Tensors inputs, outputs;
  Tensors seeds;      // empty: no backward
  Tensors gradients;  // of the floating-point inputs, in order
};

// Of /<part>/<case> of references/<list>.h5; all on the CPU. Throws DataError if there is none.
ReferenceValues read_reference(const std::string& list, const std::string& part,
                               const std::string& name);

}  // namespace ripieno::testing
