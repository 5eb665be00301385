// Loads tensors from files of other programs, which are read one whole tensor at a time. Used by
// foreign_hdf5.cpp and foreign_safetensors.cpp. Not installed.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/load_match.h"
#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno::io {

// Loads `wanted` in place from the tensors in `available`, as match() assigns them. `read` returns
// the tensor of that index in `available`, on the CPU. Throws what match() and `read` throw.
LoadReport load_foreign(const std::vector<Loadable>& available, const State& wanted,
                        const std::string& path, const LoadOptions& options,
                        const std::function<Tensor(std::size_t index)>& read);

}  // namespace ripieno::io
