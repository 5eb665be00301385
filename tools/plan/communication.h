// The communication of a step: how long it takes, and what of it computation does not hide.
#pragma once

#include <cstddef>

#include "ripieno/tools/plan/compute.h"
#include "ripieno/tools/plan/job.h"
#include "ripieno/tools/plan/machine.h"

namespace ripieno::tools::plan {

// Seconds of an all-reduce of `bytes` over all ranks: first within each host, then among the hosts.
// A reduce-scatter and an all-gather take half as long.
double all_reduce_seconds(const Machine& machine, const Placement& placement, double bytes);

struct CommunicationSeconds {
  double total = 0;       // of all collectives of a step; of DiLoCo, its share of an outer step
  double exposed = 0;     // of them, what the training thread waits for
  double work = 0;        // that computes: sums on the CPU, conversions, outer steps
  double bytes_sent = 0;  // by each rank, per step

  double added() const { return exposed + work; }
};

// `compute`: of the same step.
CommunicationSeconds communication_seconds(const Job& job, const Machine& machine,
                                           const Placement& placement, std::size_t bucket_bytes,
                                           const ComputeSeconds& compute);

// The bucket size that a run chooses for this link, if the configuration does not.
std::size_t bucket_bytes_of(const Job& job, const Machine& machine, const Placement& placement);

}  // namespace ripieno::tools::plan
