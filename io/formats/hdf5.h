// Hdf5File: reads the data sets of an HDF5 file into tensors, for data loaders and tools.
//
// Thread-safe. Calls are serialized across all files, because libhdf5 is not thread-safe. HDF5
// files have no checksums, so damaged data can be read as wrong numbers without an error.
// Checkpoints are therefore verified and read without this class (checkpoint.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/tensor.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

struct Hdf5DataSet {
  std::string path;  // "/images"
  DType dtype;
  Shape shape;
};

class Hdf5File {
 public:
  // Opens the file for reading. Throws StorageError if it cannot be opened, DataError if it is not
  // an HDF5 file.
  explicit Hdf5File(const std::string& path);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;

  // All data sets in the file whose element type and number of axes are supported, sorted by path.
  std::vector<Hdf5DataSet> data_sets() const;
  // Describes one data set. Throws DataError if it does not exist, ConfigurationError if its
  // element type or number of axes is not supported. The message names the file and the data set.
  Hdf5DataSet data_set(const std::string& path) const;
  // Reads a data set into a new CPU tensor. read_rows() reads rows begin <= row < end of the
  // outermost axis. Throws as data_set(); DataError if values are missing (the source of a virtual
  // data set does not exist, or a chunk was never written); ConfigurationError if the storage
  // layout is not supported (a missing filter, external storage). read_rows() throws Error if the
  // rows are out of range.
  Tensor read(const std::string& path) const;
  Tensor read_rows(const std::string& path, int64_t begin, int64_t end) const;

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

// Writes the given (path, tensor) data sets as a new HDF5 file, atomically: writes a temporary file
// beside it, syncs it and renames it. Tensors may be on any device. Throws StorageError.
void write_hdf5(FileSystem& files, const std::string& path,
                const std::vector<std::pair<std::string, Tensor>>& data_sets);

}  // namespace ripieno::io
