// Predicts the duration of a data-parallel step from the latency and bandwidth of the link (the
// alpha-beta model), for comparison with measurements.
#pragma once

#include <cstdint>

namespace ripieno::benchmarks {

struct Link {
  double bits_per_second = 0;  // in each direction
  double latency_seconds = 0;  // one way
  int ranks = 1;               // each with such a link
};

// The all-reduces of one rank in one step.
struct Traffic {
  double bytes = 0;
  double all_reduces = 0;
};

// The computation of a step on one rank without communication.
struct Computation {
  double forward = 0, backward = 0, optimizer = 0;  // seconds
};

// The seconds of all all-reduces. Each is a reduce-scatter and an all-gather: two latencies, and
// 2 (N - 1) / N of the bytes over the link of each rank.
double communication_seconds(const Link& link, const Traffic& traffic);

// With communication during the backward pass: forward + max(backward, communication) + optimizer.
double overlapped_step_seconds(const Computation& computation, double communication);
// With separate communication every `steps` steps: forward + backward + optimizer + communication /
// steps.
double separate_step_seconds(const Computation& computation, double communication, double steps);

}  // namespace ripieno::benchmarks
