// renamed_source(): a source whose tensors have other names, as LoadOptions rename what is loaded.
#pragma once

#include <memory>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

// Of the tensors those alone whose names begin with the options' prefix, without it, and then
// renamed. Throws ConfigurationError where none does, or two would have one name.
std::unique_ptr<TensorSource> renamed_source(std::unique_ptr<TensorSource> source,
                                             const io::LoadOptions& options);

}  // namespace ripieno::tools
