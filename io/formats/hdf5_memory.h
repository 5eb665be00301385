// Hdf5Memory: the bytes of an HDF5 file that libhdf5 writes, kept in memory. Not installed.
//
// libhdf5 writes through it as through a file, and never touches the disk itself. Only pages that
// were written take memory, so a file whose data sets are allocated but not written costs its
// metadata.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "ripieno/io/formats/hdf5_handle.h"

namespace ripieno::io {

class Hdf5Memory {
 public:
  // A file access property list that leads a file here; this must outlive the file.
  Hdf5Handle access();

  void write(int64_t offset, std::span<const std::byte> bytes);
  // What was never written reads as zeros.
  void read(int64_t offset, std::span<std::byte> into) const;

  int64_t size = 0;  // of the whole file, with the parts that were not written

 private:
  static constexpr int64_t kPageBytes = 4096;
  using Page = std::array<std::byte, kPageBytes>;

  std::map<int64_t, Page> pages_;  // by number
};

}  // namespace ripieno::io
