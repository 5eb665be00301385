// Hdf5Layout: builds the metadata of an HDF5 file in memory, with libhdf5; write_laid_out() then
// writes file and tensor data in one sequential pass, without libhdf5. Used for checkpoints and
// write_hdf5(). Not installed.
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

  // Adds a contiguous data set. Returns the file offset of its data in bytes; 0 if it has no
  // elements.
  int64_t add(const std::string& path, DType dtype, const Shape& shape);
  // Adds a virtual data set, whose elements are those of the sources. Elements of a source that
  // cannot be read have the fill value: NaN, the lowest int32 or int64, or 0 for uint8 and bool.
  void add_virtual(const std::string& path, DType dtype, const Shape& shape,
                   const std::vector<Hdf5Source>& sources);
  // Completes the layout; call it once, after the last data set and before size() and read().
  void finish();

  // Size of the whole file in bytes.
  int64_t size() const { return memory_.size; }
  // The bytes of the file from `offset`; tensor data reads as zeros.
  void read(int64_t offset, std::span<std::byte> into) const { memory_.read(offset, into); }

 private:
  void create(const std::string& path, DType dtype, const Shape& shape, hid_t creation,
              Hdf5Handle& data_set);

  Hdf5Memory memory_;
  Hdf5Handle file_;
  Hdf5Handle link_, contiguous_;  // property lists, reused because creating them is slow
};

// A tensor, on any device, and the file offset of its data in bytes.
struct Hdf5Block {
  int64_t offset;
  Tensor numbers;
};

struct Hdf5Written {
  int64_t bytes;                       // size of the file
  uint64_t outside_hash;               // XXH3 of all bytes outside the blocks, in file order
  std::vector<uint64_t> block_hashes;  // XXH3 of each block, in the order of `blocks`
  std::vector<int64_t> not_finite;     // number of NaN or infinite elements of each block
};

// Writes and syncs the file. Blocks are written in file order, hashed on the way. Throws
// StorageError; the file is then incomplete.
Hdf5Written write_laid_out(FileSystem& files, const std::string& path, const Hdf5Layout& layout,
                           const std::vector<Hdf5Block>& blocks);

}  // namespace ripieno::io
