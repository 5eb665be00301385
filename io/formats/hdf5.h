// Hdf5File: reads the data sets of an HDF5 file into tensors, for data loaders and tools.
//
// Any thread may call it; calls wait for one another, in all files together, since libhdf5 runs one
// at a time. An HDF5 file carries no checksum: what was damaged can read as wrong numbers.
// Checkpoints are therefore verified and read by checkpoint.h, which does not use this.
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
  // Throws StorageError where the file cannot be opened, DataError where it is not HDF5.
  explicit Hdf5File(const std::string& path);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;

  // Every data set whose element type we have, in the order of their names.
  std::vector<Hdf5DataSet> data_sets() const;
  // Throws DataError that names file and data set where there is none, ConfigurationError where its
  // elements or its axes are not what we read.
  Hdf5DataSet data_set(const std::string& path) const;
  // On the CPU. Throws DataError where some of its numbers are nowhere: a source of a virtual data
  // set is missing, or a chunk was never written; ConfigurationError where it is stored in a way
  // that is not read. The second reads the rows begin <= row < end of the outermost axis.
  Tensor read(const std::string& path) const;
  Tensor read_rows(const std::string& path, int64_t begin, int64_t end) const;

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

// A new HDF5 file of these data sets, by path: written aside, synced and renamed.
void write_hdf5(FileSystem& files, const std::string& path,
                const std::vector<std::pair<std::string, Tensor>>& data_sets);

}  // namespace ripieno::io
