// What a step of data-parallel training should take over a link, by its latency and its bandwidth
// (the alpha-beta model), to compare a measured one with.
#pragma once

#include <cstdint>

namespace ripieno::benchmarks {

struct Link {
  double bits_per_second = 0;  // in each direction
  double latency_seconds = 0;  // one way
  int ranks = 1;               // each behind such a link
};

// What a rank brings to all-reduces.
struct Traffic {
  double bytes = 0;
  double all_reduces = 0;
};

// Of the step of one rank that communicates nothing.
struct Computation {
  double forward = 0, backward = 0, optimizer = 0;  // seconds
};

// An all-reduce is a reduce-scatter and an all-gather: two latencies, and 2 (N - 1) / N of the
// bytes through each rank's link.
double communication_seconds(const Link& link, const Traffic& traffic);

// Communication runs beside the backward pass: forward + max(backward, communication) + optimizer.
double overlapped_step_seconds(const Computation& computation, double communication);
// It runs by itself, once in `steps` steps: forward + backward + optimizer + communication / steps.
double separate_step_seconds(const Computation& computation, double communication, double steps);

}  // namespace ripieno::benchmarks
