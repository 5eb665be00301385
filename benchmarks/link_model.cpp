#include "link_model.h"

#include <algorithm>

namespace ripieno::benchmarks {

double communication_seconds(const Link& link, const Traffic& traffic) {
  const double share = 2.0 * (link.ranks - 1) / link.ranks;
  return traffic.all_reduces * 2.0 * link.latency_seconds +
         share * traffic.bytes * 8.0 / link.bits_per_second;
}

double overlapped_step_seconds(const Computation& computation, double communication) {
  return computation.forward + std::max(computation.backward, communication) +
         computation.optimizer;
}

double separate_step_seconds(const Computation& computation, double communication, double steps) {
  return computation.forward + computation.backward + computation.optimizer + communication / steps;
}

}  // namespace ripieno::benchmarks
