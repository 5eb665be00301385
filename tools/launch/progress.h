// RunProgress: follows how far a run has come, from its run directory.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace ripieno::tools {

class RunProgress {
 public:
  // Of what the directory contains already, reads the last 4 MiB of metrics, as steps that are not
  // new. The directory need not exist yet.
  explicit RunProgress(const std::string& directory);

  // Reads what was added since the last call. An incomplete last line is left for later. A file
  // that cannot be read counts as one without new lines.
  void update();

  // Steps finished since the object was constructed, counting repeated ones.
  bool has_finished_a_step() const { return has_finished_; }
  // The largest step that was ever finished; 0 if none was.
  int64_t newest_step() const { return newest_; }

  // Seconds of the slowest step, without saving, and of the slowest save of a checkpoint; 0 if
  // none was seen. A save counts from the creation of its directory to its manifest, or, if the
  // file system does not record the creation, as long as training waited for it.
  double step_seconds() const { return step_seconds_; }
  double save_seconds() const;

 private:
  void read_lines(bool is_new);
  void skip_to_line_after(std::istream& file, int64_t offset);
  void read_line(const std::string& line, bool is_new);
  void read_checkpoints(bool is_new);

  std::string metrics_, checkpoints_;
  int64_t offset_ = 0;
  bool has_finished_ = false;
  int64_t newest_ = 0, newest_checkpoint_ = 0;
  double step_seconds_ = 0, waited_ = 0, saved_seconds_ = 0;
};

// The run directory of one of our programs, by its arguments: --run-dir DIR, or runs/<name> for
// --config <name>.toml. nullopt if they have neither.
std::optional<std::string> run_directory_in(const std::vector<std::string>& program);

}  // namespace ripieno::tools
