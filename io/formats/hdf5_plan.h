// Descriptions of the data sets of an HDF5 file to be written, without libhdf5's headers. Not
// installed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/core/dtype.h"
#include "ripieno/core/shape.h"

namespace ripieno::io {

// Source of a contiguous range of elements of a virtual data set: a data set in another file.
struct Hdf5Source {
  std::string file;  // path relative to the file of the virtual data set
  std::string data_set;
  Shape shape;    // of the source data set, all of whose elements are used
  int64_t begin;  // first element of the range in the virtual data set, row-major

  bool operator==(const Hdf5Source&) const = default;
};

struct Hdf5DataSetPlan {
  std::string path;
  DType dtype;
  Shape shape;
  std::vector<Hdf5Source> sources;  // of a virtual data set; empty: the data is in the same file

  bool operator==(const Hdf5DataSetPlan&) const = default;
};

}  // namespace ripieno::io
