// FlightMemory: the bytes of a flight record that is being written: a mapped file, or memory of the
// process if storage cannot be mapped safely. Not installed.
//
// Recording must never end a run. So nothing here throws: without a usable file the bytes are only
// in memory, and remark() says why. The space of a mapped file is allocated ahead, so that a full
// disk cannot raise SIGBUS; only file systems that keep this promise are mapped (ext4, XFS, tmpfs).
// On all others, among them NFS and Lustre, the record exists as the copy alone.
#pragma once

#include <cstddef>
#include <string>

#include "ripieno/io/run/ranks/layout.h"

namespace ripieno::io {

class FlightMemory {
 public:
  // Creates the directory, keeps the files of the last kKeptFlightRecords starts under other names,
  // and creates new ones.
  FlightMemory(const std::string& directory, const flight::Sizes& sizes);
  ~FlightMemory();
  FlightMemory(const FlightMemory&) = delete;
  FlightMemory& operator=(const FlightMemory&) = delete;

  // Zeros at first; sizes().bytes().
  std::byte* begin() const { return begin_; }
  const flight::Sizes& sizes() const { return sizes_; }
  bool is_mapped() const { return is_mapped_; }
  // Why there is no file, or that it is incomplete; one line, empty if there is nothing to report.
  const std::string& remark() const { return remark_; }

  // Overwrites [offset, offset + bytes) of the copy. Returns whether it succeeded. May block while
  // storage does. Async-signal-safe.
  bool write_copy(std::size_t offset, const void* from, std::size_t bytes) const noexcept;
  void close_copy() noexcept;

 private:
  void open_files(const std::string& directory);
  bool map(const std::string& path);
  void use_memory_of_process();

  flight::Sizes sizes_;
  std::byte* begin_ = nullptr;
  bool is_mapped_ = false;
  int copy_ = -1;
  std::string remark_;
};

// Puts zeros in place of the pages of a record that storage has lost, so that the process that
// writes it continues. Returns false if `address` is not in a record. Async-signal-safe.
bool replace_lost_flight_memory(const void* address) noexcept;

}  // namespace ripieno::io
