// Attempt: starts the program on all ranks once, and watches it until every process has ended.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ripieno/tools/launch/budget.h"
#include "ripieno/tools/launch/decision.h"
#include "ripieno/tools/launch/host_timers.h"
#include "ripieno/tools/launch/mpirun_text.h"
#include "ripieno/tools/launch/notice_watch.h"
#include "ripieno/tools/launch/process.h"
#include "ripieno/tools/launch/run_watch.h"
#include "ripieno/tools/launch/stop_request.h"

namespace ripieno::tools {

// What all attempts of a launch share.
struct LaunchWatch {
  SignalFile& signals;
  RunWatch& run;
  NoticeWatch& notices;
  SaveWarning& warning;
  Budget& budget;
  StopRequest& stop;
};

class Attempt {
 public:
  // `words`: the command, which starts so many ranks. `hosts`: where; empty: this host.
  Attempt(LaunchWatch watch, const std::vector<std::string>& words, int ranks,
          std::vector<Host> hosts);

  // Runs the command; returns when it and all of its descendants on this host have ended.
  //
  // Ends it by force if: a rank failed and the others still run 3 seconds later; a host is lost;
  // it was asked to end at once; or it still runs a minute and two saves after a budget is used up.
  AttemptEnd run();

 private:
  bool watch_once();
  void take_signals();
  void reap();
  void take_errors();
  void look_at_ranks(const WatchedRun& run);
  void look_at_hosts(const WatchedRun& run);
  void look_at_notices(const WatchedRun& run);
  void look_at_budget(const WatchedRun& run);
  void pass_stop_on(const WatchedRun& run);
  void note_lost(const std::string& host);
  void end_by_force();
  AttemptEnd result();
  // The name in the host file of a host that calls itself `reported`.
  const std::string& listed(const std::string& reported);

  LaunchWatch watch_;
  const int ranks_;
  const std::vector<Host> hosts_;
  const double started_;
  const int64_t newest_step_before_;
  Child child_;
  HostTimers timers_;
  MpirunText text_;
  std::optional<ProcessEnd> end_;
  std::set<std::string> lost_, leaving_;
  std::map<std::string, std::string> listed_;  // results of listed(), which may ask a name server
  std::optional<double> failed_at_, lost_at_;
  bool is_stopped_ = false;
};

}  // namespace ripieno::tools
