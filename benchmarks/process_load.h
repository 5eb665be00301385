// What this process and the kernel beside it have done so far, for benchmarks: differences tell
// what a step took from the cores and put on the network.
#pragma once

namespace ripieno::benchmarks {

struct ProcessLoad {
  double user_seconds = 0, system_seconds = 0;  // of all threads of this process
  double softirq_seconds = 0;                   // of the whole machine: mostly the network's
  double bytes_sent = 0;                        // through this host's interfaces, headers included

  ProcessLoad operator-(const ProcessLoad& earlier) const;
};

ProcessLoad load_now();

}  // namespace ripieno::benchmarks
