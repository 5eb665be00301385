// Loads parameters from an HDF5 file written by another program. Such a file has no checksums:
// damaged data can be read as wrong numbers or crash libhdf5, so call this only if the user
// requests it explicitly.
#pragma once

#include <string>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno::io {

// Loads the parameters in `wanted` (and master weights, "master/<name>"), in place, from the data
// sets in group /parameters, or from all data sets if the file has no such group. A tensor's name
// is its path in the group with '.' instead of '/': /blocks/0/weight is blocks.0.weight. Each rank
// calls it for itself. Throws ConfigurationError, listing all differences, if names or shapes do
// not match (`wanted` is then unchanged); StorageError or DataError if the file cannot be read.
LoadReport load_foreign_hdf5(const std::string& path, const State& wanted,
                             const LoadOptions& options = {});

}  // namespace ripieno::io
