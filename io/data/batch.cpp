#include "ripieno/io/data/batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno::io {

const Tensor& Batch::extra(std::string_view name) const {
  const auto found = std::find_if(extras.begin(), extras.end(),
                                  [&](const NamedTensor& extra) { return extra.name == name; });
  if (found != extras.end()) return found->tensor;
  fail(fmt::format("batch: there is no extra tensor \"{}\"; declare it in the data set's layout()",
                   name));
}

}  // namespace ripieno::io
