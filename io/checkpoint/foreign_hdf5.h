// Parameters out of an HDF5 file that others wrote. It carries no checksums: what was damaged reads
// as wrong numbers, and may take libhdf5 down. So it is opened only where somebody asks for it.
#pragma once

#include <string>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno::io {

// Fills the parameters of `wanted` (and master weights, "master/<name>") from the data sets below
// /parameters where the file has such a group, else from all. A name is the path from there with
// '.' for '/': /blocks/0/weight is blocks.0.weight. Throws ConfigurationError that lists what does
// not match, before anything is filled; StorageError or DataError where the file cannot be read.
LoadReport load_foreign_hdf5(const std::string& path, const State& wanted,
                             const LoadOptions& options = {});

}  // namespace ripieno::io
