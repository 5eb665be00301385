// AlertCommands: runs the commands of alerts in processes of their own.
//
// A command never holds up or ends the run: nobody waits for it, it is in another session and
// process group, and it has no open files of the run. Its output is appended to alerts.log of the
// run directory. Used by one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ripieno/training/metrics/alerts.h"

namespace ripieno {

class AlertCommands {
 public:
  explicit AlertCommands(const std::string& run_directory);

  // Starts the command of a rule, unless that which an earlier alert started still runs. Its
  // environment has RIPIENO_ALERT_RULE, RIPIENO_ALERT_METRIC, RIPIENO_ALERT_VALUE,
  // RIPIENO_ALERT_STEP and RIPIENO_RUN_DIRECTORY. Returns a line about what went wrong, or "".
  std::string start(const AlertRule& rule, int64_t step, double value);
  // A line for each command that has failed since the last call, and one if their output is lost.
  // Does not wait.
  std::vector<std::string> failures();
  // The same, after all have ended or these seconds have passed.
  std::vector<std::string> failures_within(double seconds);

 private:
  struct Running {
    pid_t process = 0;
    std::string rule;  // and not its command, which may contain a password
  };

  pid_t spawn(const std::string& command, const std::vector<std::string>& variables);
  int open_log();

  const std::string run_directory_;  // absolute
  std::vector<Running> running_;
  std::vector<std::string> lines_;  // for the next failures()
  bool has_log_ = true;
};

}  // namespace ripieno
