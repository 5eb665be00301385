// ProcessFacts: memory and processor time of this process and its control group, for heartbeats.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno::watch {

// Opens its files once and allocates nothing afterwards. Used by one thread at a time.
class ProcessFacts {
 public:
  // `membership`: a file in the format of /proc/self/cgroup; `root`: the mount point of control
  // groups, version 2 or 1.
  explicit ProcessFacts(const std::filesystem::path& membership = "/proc/self/cgroup",
                        const std::filesystem::path& root = "/sys/fs/cgroup");
  ~ProcessFacts();
  ProcessFacts(const ProcessFacts&) = delete;
  ProcessFacts& operator=(const ProcessFacts&) = delete;

  // Everything but `count` and the gap between heartbeats. What cannot be read stays empty.
  io::FlightHeartbeat read();

 private:
  // A file of /proc or a control group, which is read from its beginning each time.
  class File {
   public:
    ~File();
    void open(const std::filesystem::path& path);
    // Empty if it cannot be read. Valid until the next call for any file.
    std::string_view text(std::array<char, 8192>& buffer) const;

   private:
    int file_ = -1;
  };

  void open_group(const std::filesystem::path& membership, const std::filesystem::path& root);
  std::optional<int64_t> oom_kills();

  std::array<char, 8192> buffer_;
  File statm_, meminfo_, network_, group_bytes_, group_limit_, group_events_, group_processor_;
  bool has_version_1_ = false;
  std::optional<int64_t> oom_kills_at_start_;
};

}  // namespace ripieno::watch
