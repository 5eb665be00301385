// The records of one attempt, in a folder that all hosts see: how each rank ended, whether each
// host is alive, and notices of preemption. Written by the wrapper of each rank (rank.h), read by
// the launcher.
//
//   rank_00003.started   {"rank", "host", "pid", "time"}
//   rank_00003.ended     the same and {"status", "signal", "asked_to_end", "last_words"}
//   host_<name>.alive    a number that grows
//   host_<name>.notice   the text of a notice
//   host_<name>.lost     written by the launcher when it has noticed the loss
//   launcher.alive       a number that grows
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/tools/launch/decision.h"

namespace ripieno::tools {

class AttemptFolder {
 public:
  explicit AttemptFolder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  // Written by wrappers. Failures are returned as false: an attempt goes on without its records.
  bool write_started(const RankEnd& rank) const;
  bool write_ended(const RankEnd& rank) const;
  bool write_alive(const std::string& host, uint64_t count) const;
  // Written by the launcher, so that it sees whether storage answers.
  bool write_launcher_alive(uint64_t count) const;
  bool write_lost(const std::string& host) const;
  bool write_notice(const std::string& host, const std::string& text) const;

 private:
  std::string path_;
};

// What the folder of an attempt contains.
struct AttemptContents {
  std::vector<RankEnd> started = {}, ended = {};
  std::map<std::string, uint64_t> alive = {};       // the number of each host
  std::map<std::string, std::string> notices = {};  // of each host
};
// Adds what is new in the folder. Records of ranks are read once, the other files each time. Skips
// what cannot be read or parsed.
void update(AttemptContents& contents, const AttemptFolder& folder);

// A record as JSON on one line; nullopt if the text is not one.
std::string to_json(const RankEnd& rank);
std::optional<RankEnd> parse_rank_record(std::string_view text);

// The absolute path of <run directory>/launch/attempt_<n> with the next free number.
std::string next_attempt_folder(const std::string& directory);
// Creates it. Throws StorageError.
void make_attempt_folder(const std::string& path);

}  // namespace ripieno::tools
