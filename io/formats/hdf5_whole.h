// Whether all numbers of an HDF5 data set are there: what is missing HDF5 reads as a fill value,
// without an error. Not installed.
#pragma once

#include <string>

#include "ripieno/io/formats/hdf5_handle.h"

namespace ripieno::io {

// A file of others', for reading. Throws StorageError where it cannot be opened, DataError where it
// is not HDF5.
Hdf5Handle open_hdf5(const std::string& path);

// Of a data set of the file at `path`; of a virtual one, also each of its sources. Throws DataError
// that names what is missing, and ConfigurationError where the numbers are stored in a way that is
// not read: by a filter that is not installed, or in a raw file beside it, which could be any file.
void require_whole(hid_t data_set, const std::string& path, const std::string& name);

}  // namespace ripieno::io
