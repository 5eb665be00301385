// What an HDF5 file is to hold, before it is laid out; without HDF5's own headers. Not installed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/core/dtype.h"
#include "ripieno/core/shape.h"

namespace ripieno::io {

// Elements of a virtual data set, a dense run from `begin` on, that lie in a data set of another
// file.
struct Hdf5Source {
  std::string file;  // relative to the file of the virtual data set
  std::string data_set;
  Shape shape;  // of that data set, all of which is taken
  int64_t begin;

  bool operator==(const Hdf5Source&) const = default;
};

struct Hdf5DataSetPlan {
  std::string path;
  DType dtype;
  Shape shape;
  std::vector<Hdf5Source> sources;  // none: the numbers lie in the same file

  bool operator==(const Hdf5DataSetPlan&) const = default;
};

}  // namespace ripieno::io
