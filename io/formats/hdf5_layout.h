// Hdf5Layout: an HDF5 file laid out whole, but for the numbers, which are then written by us, not
// by libhdf5, in one pass from front to back. For checkpoints and write_hdf5(). Not installed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/core/tensor.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/formats/hdf5_memory.h"
#include "ripieno/io/formats/hdf5_plan.h"

namespace ripieno::io {

class Hdf5Layout {
 public:
  Hdf5Layout();
  ~Hdf5Layout();

  // A contiguous data set. Returns where in the file its numbers go; 0 where it has none.
  int64_t add(const std::string& path, DType dtype, const Shape& shape);
  // A data set whose numbers are those of the sources. Where one cannot be read it shows the fill
  // value: NaN, or the lowest number of an integer type.
  void add_virtual(const std::string& path, DType dtype, const Shape& shape,
                   const std::vector<Hdf5Source>& sources);
  // No more data sets: the layout is now complete.
  void finish();

  int64_t size() const { return memory_.size; }
  void read(int64_t offset, std::span<std::byte> into) const { memory_.read(offset, into); }

 private:
  void create(const std::string& path, DType dtype, const Shape& shape, hid_t creation,
              Hdf5Handle& data_set);

  Hdf5Memory memory_;
  Hdf5Handle file_;
  Hdf5Handle link_, contiguous_;  // property lists, which take long to make
};

// A tensor, wherever it lives, and where in the file its numbers go.
struct Hdf5Block {
  int64_t offset;
  Tensor numbers;
};

struct Hdf5Written {
  int64_t bytes;                       // of the file
  uint64_t outside_hash;               // of all that lies outside the blocks, in order
  std::vector<uint64_t> block_hashes;  // in the order of the blocks given
  std::vector<int64_t> not_finite;     // elements of each block that are NaN or infinite
};

// Writes and syncs the file. Throws StorageError; the file is then of no use.
Hdf5Written write_laid_out(FileSystem& files, const std::string& path, const Hdf5Layout& layout,
                           const std::vector<Hdf5Block>& blocks);

}  // namespace ripieno::io
