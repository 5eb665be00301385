// The arithmetic of a step: how many floating-point operations, and how long they take.
#pragma once

#include <cstdint>

#include "ripieno/tools/plan/job.h"
#include "ripieno/tools/plan/machine.h"

namespace ripieno::tools::plan {

// Floating-point operations of one sample. A multiply-add is two; attention is counted causally.
struct Flops {
  double forward = 0, backward = 0;
  double recomputed = 0;  // executed, but not part of the model's work

  // What utilization counts.
  double of_model() const { return forward + backward; }
};
Flops flops_of(const ModelWork& work);

// Seconds of a step of one rank, without communication.
struct ComputeSeconds {
  double forward = 0, backward = 0, optimizer = 0;

  double total() const { return forward + backward + optimizer; }
};

// How the ranks are divided among hosts.
struct Placement {
  int ranks = 1;
  int ranks_per_host = 1;
  int threads = 1;  // of a rank on a CPU

  int on_host() const { return ranks < ranks_per_host ? ranks : ranks_per_host; }
  int hosts() const { return (ranks + ranks_per_host - 1) / ranks_per_host; }
  // Whether the ranks of a CPU's host leave no core for communication.
  bool fills(const Machine& machine) const {
    return machine.is_cpu && on_host() * threads >= machine.cores;
  }
};
// `threads`: 0 divides the cores of the host among its ranks.
Placement placement_of(const Machine& machine, int ranks, int ranks_per_host, int threads);

ComputeSeconds compute_seconds(const Job& job, const Machine& machine, const Placement& placement);

// The rates of one rank.
double product_flops_per_second(const Job& job, const Machine& machine, const Placement& placement);
double memory_bytes_per_second(const Machine& machine, const Placement& placement);

}  // namespace ripieno::tools::plan
