// Hdf5Memory: a libhdf5 file driver that keeps the file in memory. Not installed.
//
// Only pages that were written take memory, so a file whose data sets are allocated but not written
// takes no more than its metadata.
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
  // A file access property list for creating a file in this object, which must outlive the file.
  Hdf5Handle access();

  void write(int64_t offset, std::span<const std::byte> bytes);
  // Bytes that were never written read as zeros.
  void read(int64_t offset, std::span<std::byte> into) const;

  int64_t size = 0;  // of the whole file in bytes, including ranges that were not written

 private:
  static constexpr int64_t kPageBytes = 4096;
  using Page = std::array<std::byte, kPageBytes>;

  std::map<int64_t, Page> pages_;  // by offset / kPageBytes
};

}  // namespace ripieno::io
