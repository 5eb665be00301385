// Checks that all elements of an HDF5 data set are stored: libhdf5 reads missing ones as fill
// values without an error. Not installed.
#pragma once

#include <string>

#include "ripieno/io/formats/hdf5_handle.h"

namespace ripieno::io {

// Opens an HDF5 file for reading, without file locks. Throws StorageError if it cannot be opened,
// DataError if it is not HDF5.
Hdf5Handle open_hdf5(const std::string& path);

// Checks data set `name` of the file at `path` and, if it is virtual, all its sources. Throws
// DataError naming what is missing. Throws ConfigurationError if the storage is not supported: a
// filter that is not installed, or external storage, which could refer to any file of the host.
void require_whole(hid_t data_set, const std::string& path, const std::string& name);

}  // namespace ripieno::io
