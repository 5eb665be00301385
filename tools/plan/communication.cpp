#include "ripieno/tools/plan/communication.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "ripieno/distributed/gradients/bucket_size.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/power_sgd.h"

namespace ripieno::tools::plan {
namespace {

using distributed::Bucket;
using distributed::Shard;

// Messages in sequence of half an all-reduce: a ring among few ends, a tree among many.
double steps_of(int ends) {
  constexpr int kRing = 8;
  if (ends <= kRing) return ends - 1;
  return kRing - 1 + std::ceil(std::log2(static_cast<double>(ends) / kRing));
}

double seconds_over(const Link& link, int ends, double bytes) {
  if (ends < 2) return 0;
  return 2 * steps_of(ends) * link.latency_seconds +
         2.0 * (ends - 1) / ends * bytes / link.bytes_per_second;
}

double inside_seconds(const Machine& machine, const Placement& placement, double bytes) {
  return seconds_over(machine.inside, placement.on_host(), bytes);
}

// One bucket after another: each starts when it is ready and the one before is done. Returns the
// time from the end of `window`, in which buckets become ready, to the end of the last one.
double exposed_after(double window, const std::vector<double>& ready,
                     const std::vector<double>& seconds) {
  double end = 0;
  for (std::size_t i = 0; i < ready.size(); ++i)
    end = std::max(end, ready[i] * window) + seconds[i];
  return std::max(0.0, end - window);
}

// What a gradient or parameter costs on the way, besides the network.
struct Costs {
  double elements = 0;
  double memory = 0;  // bytes per second

  double passes(double bytes_per_element) const { return elements * bytes_per_element / memory; }
};

class Planned {
 public:
  Planned(const Job& job, const Machine& machine, const Placement& placement,
          std::size_t bucket_bytes)
      : job_(job),
        machine_(machine),
        placement_(placement),
        each_(static_cast<double>(size_of(job.precision))),
        buckets_(distributed::buckets_of(*job.layout, size_of(job.precision), bucket_bytes)),
        costs_{static_cast<double>(job.layout->elements()),
               memory_bytes_per_second(machine, placement)} {}

  CommunicationSeconds replicated(const ComputeSeconds& compute) const {
    const bool scatters = sums_by_parts();
    const double rounds = job_.parallel.shard == Shard::gradients
                              ? static_cast<double>(job_.micro_batches(placement_.ranks))
                              : 1;
    const double window =
        compute.backward / static_cast<double>(job_.micro_batches(placement_.ranks));
    const auto seconds = of_buckets(wire_bytes(), scatters ? 0.5 : 1.0);
    CommunicationSeconds result;
    add(result, seconds, rounds * hidden_behind(window, seconds, ready_in_backward()), rounds);
    result.work += conversion_seconds() * rounds;
    if (job_.parallel.shard != Shard::none) add_gather(result, compute.optimizer);
    add_small(result, 2);
    result.bytes_sent = (scatters ? 0.5 * rounds : rounds) * sent(wire_bytes() * costs_.elements);
    if (job_.parallel.shard != Shard::none)
      result.bytes_sent += 0.5 * sent(each_ * costs_.elements);
    add_network_work(result);
    return result;
  }

  CommunicationSeconds power_sgd(const ComputeSeconds& compute) const {
    const auto sent_elements = static_cast<double>(
        distributed::power_sgd_elements(*job_.layout, job_.parallel.power_sgd_rank));
    const double share = sent_elements / costs_.elements;
    auto seconds = of_buckets(4 * share, 1.0);
    // Two all-reduces per bucket.
    for (double& bucket : seconds) bucket += all_reduce_seconds(machine_, placement_, 0);
    const double window =
        compute.backward / static_cast<double>(job_.micro_batches(placement_.ranks));
    CommunicationSeconds result;
    add(result, seconds, hidden_behind(window, seconds, ready_in_backward()), 1);
    // Four thin products over each matrix, which read or write it.
    constexpr double kPasses = 24;
    result.work += costs_.passes(kPasses);
    if (job_.parallel.shard != Shard::none) add_gather(result, compute.optimizer);
    add_small(result, 2);
    result.bytes_sent = sent(4 * sent_elements);
    add_network_work(result);
    return result;
  }

  // Sums trees of slots after the backward.
  CommunicationSeconds strict() const {
    CommunicationSeconds result;
    const auto seconds = of_buckets(each_, 1.0);
    double all = 0;
    for (const double bucket : seconds) all += bucket;
    add(result, seconds, all, 1);
    const double slots = std::ceil(static_cast<double>(job_.parallel.slots) / placement_.ranks);
    result.work += costs_.passes(3 * each_) * (slots - 1);
    add_small(result, 2);
    result.bytes_sent = sent(each_ * costs_.elements);
    add_network_work(result);
    return result;
  }

  // The outer step, divided by its number of steps. Each step logs the loss of all ranks.
  CommunicationSeconds diloco() const {
    CommunicationSeconds result;
    const auto seconds = of_buckets(wire_bytes(), 1.0);
    double all = 0;
    for (const double bucket : seconds) all += bucket;
    const auto steps = static_cast<double>(job_.parallel.diloco.steps);
    add(result, seconds, all, 1 / steps);
    result.exposed /= steps;
    constexpr double kPasses = 48;  // bytes of an outer step per element
    result.work += (costs_.passes(kPasses) + conversion_seconds()) / steps;
    add_small(result, 1);
    result.bytes_sent = sent(wire_bytes() * costs_.elements) / steps;
    add_network_work(result);
    return result;
  }

 private:
  bool sums_by_parts() const { return job_.parallel.shard != Shard::none && !narrows(); }
  bool narrows() const {
    return job_.parallel.wire == DType::bfloat16 && size_of(job_.precision) > 2;
  }
  double wire_bytes() const { return narrows() ? 2 : each_; }
  // Rounding before, widening after.
  double conversion_seconds() const { return narrows() ? costs_.passes(2 * (each_ + 2)) : 0; }
  double sent(double bytes) const {
    return 2.0 * (placement_.ranks - 1) / placement_.ranks * bytes;
  }

  std::vector<double> of_buckets(double bytes_per_element, double part) const {
    std::vector<double> seconds;
    for (const Bucket& bucket : buckets_) {
      const double bytes = bytes_per_element * static_cast<double>(bucket.end - bucket.begin);
      seconds.push_back(part * all_reduce_seconds(machine_, placement_, bytes));
    }
    return seconds;
  }

  // When each bucket is complete, as a share of the backward. The last parameters of the layout are
  // those of the last layers; tables of embeddings, at its beginning, are complete at the end.
  std::vector<double> ready_in_backward() const {
    double weights = 0;
    for (const auto& product : job_.work.products) {
      if (product.is_all_in_forward) continue;
      weights += static_cast<double>(product.inputs * product.outputs * product.times);
    }
    std::vector<double> ready;
    double done = 0;
    for (const Bucket& bucket : buckets_) {
      done += static_cast<double>(bucket.end - bucket.begin);
      ready.push_back(weights > 0 ? std::min(1.0, done / weights) : 1.0);
    }
    ready.back() = 1.0;
    return ready;
  }

  std::vector<double> ready_in_order() const {
    std::vector<double> ready;
    double done = 0;
    for (const Bucket& bucket : buckets_) {
      done += static_cast<double>(bucket.end - bucket.begin);
      ready.push_back(done / costs_.elements);
    }
    return ready;
  }

  double hidden_behind(double window, const std::vector<double>& seconds,
                       const std::vector<double>& ready) const {
    if (job_.parallel.overlap) return exposed_after(window, ready, seconds);
    double all = 0;
    for (const double bucket : seconds) all += bucket;
    return all;
  }

  // A CPU whose cores compute cannot hide sums in shared memory, which need a core themselves.
  void add(CommunicationSeconds& result, const std::vector<double>& seconds, double exposed,
           double rounds) const {
    double all = 0;
    for (const double bucket : seconds) all += bucket;
    result.total += all * rounds;
    result.exposed += exposed;
    if (!placement_.fills(machine_) || placement_.hosts() > 1) return;
    result.work += all * rounds - std::min(exposed, all * rounds);
  }

  void add_gather(CommunicationSeconds& result, double optimizer) const {
    const auto seconds = of_buckets(each_, 0.5);
    add(result, seconds, hidden_behind(optimizer, seconds, ready_in_order()), 1);
  }

  // All-reduces of a few numbers: the loss, and the agreement on stopping and saving.
  void add_small(CommunicationSeconds& result, int count) const {
    const double seconds = count * all_reduce_seconds(machine_, placement_, 64);
    result.total += seconds;
    result.exposed += seconds;
  }

  void add_network_work(CommunicationSeconds& result) const {
    if (placement_.hosts() > 1) result.work += machine_.network_work * result.bytes_sent;
  }

  const Job& job_;
  const Machine& machine_;
  const Placement& placement_;
  double each_;
  std::vector<Bucket> buckets_;
  Costs costs_;
};

}  // namespace

double all_reduce_seconds(const Machine& machine, const Placement& placement, double bytes) {
  return inside_seconds(machine, placement, bytes) +
         seconds_over(machine.between, placement.hosts(), bytes);
}

CommunicationSeconds communication_seconds(const Job& job, const Machine& machine,
                                           const Placement& placement, std::size_t bucket_bytes,
                                           const ComputeSeconds& compute) {
  if (placement.ranks == 1) return {};
  const Planned planned(job, machine, placement, bucket_bytes);
  if (job.parallel.slots > 0) return planned.strict();
  if (job.parallel.diloco.steps > 0) return planned.diloco();
  if (job.parallel.power_sgd_rank > 0) return planned.power_sgd(compute);
  return planned.replicated(compute);
}

std::size_t bucket_bytes_of(const Job& job, const Machine& machine, const Placement& placement) {
  constexpr std::size_t kMebibyte = std::size_t{1} << 20;
  const auto gradients = static_cast<std::size_t>(job.layout->elements()) * size_of(job.precision);
  if (job.parallel.bucket_bytes) return *job.parallel.bucket_bytes;
  if (placement.ranks == 1) return gradients;
  if (gradients <= kMebibyte) return kMebibyte;
  // What the run will measure.
  constexpr double kBytes = 4 << 20;
  const double share = 2.0 * (placement.ranks - 1) / placement.ranks;
  const double link = share * kBytes / all_reduce_seconds(machine, placement, kBytes);
  return distributed::bucket_bytes_for(link, gradients);
}

}  // namespace ripieno::tools::plan
