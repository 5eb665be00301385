// Profile: records every operation of some steps of a training program, and writes them as a trace
// (JSON in the Trace Event format, which ui.perfetto.dev opens) and as a table by operation.
//
//   Profile profile(session, {.file = "trace.json"});
//   for (int64_t step = 1; step <= steps; ++step) {
//     profile.begin_step(step);
//     … one step …
//   }
//   profile.finish();
//
// A Run does this by itself (RunOptions::profile).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ripieno/training/session/session.h"

namespace ripieno {

namespace profiles {
class Recording;
struct Recorded;
}  // namespace profiles

struct ProfileOptions {
  std::string file = {};  // the trace of all ranks, written by rank 0; empty: no profile
  // The steps to record; 0: ten steps, from the sixth that this process takes.
  int64_t first_step = 0, last_step = 0;
  // What rank 0 does with the table, which has several lines, and with a warning, which is one
  // line. Empty: stdout and stderr.
  std::function<void(const std::string& table)> show = {};
  std::function<void(const std::string& line)> warn = {};
};

// Every rank has one. One profile of a process records at a time: if several ranks are threads of
// one process, the first one records the threads of all.
class Profile {
 public:
  // Throws ConfigurationError if the steps are not a range, and StorageError if the file cannot be
  // written. A collective.
  Profile(Session& session, ProfileOptions options);
  // Discards what was recorded, unless finish() was called.
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  // To be called when a step begins, with its number, the same on all ranks. Starts the recording
  // with the first of the steps, and calls finish() after the last one.
  void begin_step(int64_t step);
  // Ends the recording, writes the file and shows the table. A file that cannot be written is a
  // warning, so that the training continues. Does nothing if it was called before. A collective.
  void finish();

 private:
  void write(const profiles::Recorded& recorded);
  void warn(const std::string& line) const;

  Session& session_;
  ProfileOptions options_;
  std::unique_ptr<profiles::Recording> recording_;
  bool has_begun_ = false;  // a recording, of this rank or another one in the process
  bool is_over_ = false;
};

}  // namespace ripieno
