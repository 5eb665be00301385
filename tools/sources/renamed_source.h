// renamed_source(): a source whose tensors are selected and renamed as LoadOptions do for loading.
#pragma once

#include <memory>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

// Keeps the tensors whose names begin with the options' prefix, removes the prefix, then renames.
// Throws ConfigurationError if no tensor is left or two would have the same name.
std::unique_ptr<TensorSource> renamed_source(std::unique_ptr<TensorSource> source,
                                             const io::LoadOptions& options);

}  // namespace ripieno::tools
