// Processor time and network traffic of this process and its host so far. Differences between two
// readings give the cost of a step.
#pragma once

namespace ripieno::benchmarks {

struct ProcessLoad {
  double user_seconds = 0, system_seconds = 0;  // of all threads of this process
  double softirq_seconds = 0;                   // of the whole machine: mostly network processing
  double bytes_sent = 0;  // over the interfaces of this host, including headers

  ProcessLoad operator-(const ProcessLoad& earlier) const;
};

ProcessLoad load_now();

}  // namespace ripieno::benchmarks
