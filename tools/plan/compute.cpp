#include "ripieno/tools/plan/compute.h"

#include <algorithm>

namespace ripieno::tools::plan {
namespace {

// The backward of attention computes the scores again: five products for the forward's two.
constexpr double kAttentionBackward = 2.5;

struct Work {
  double products = 0, attention = 0;  // operations of one sample
};

double forward_of(const ModelWork::Product& product) {
  return 2.0 * static_cast<double>(product.rows) * static_cast<double>(product.inputs) *
         static_cast<double>(product.outputs) * static_cast<double>(product.times);
}

double forward_of(const ModelWork::Attention& attention) {
  const auto time = static_cast<double>(attention.time);
  return 2.0 * time * time * static_cast<double>(attention.channels) *
         static_cast<double>(attention.times);
}

// What the two passes execute.
void split(const ModelWork& work, Work& forward, Work& backward) {
  for (const auto& product : work.products) {
    const double once = forward_of(product);
    forward.products += once;
    const double gradients = once * (product.has_input_gradient ? 2 : 1);
    (product.is_all_in_forward ? forward : backward).products += gradients;
    if (product.is_recomputed) backward.products += once;
  }
  for (const auto& attention : work.attention) {
    const double once = forward_of(attention);
    forward.attention += once;
    backward.attention += once * (kAttentionBackward + (attention.is_recomputed ? 1 : 0));
  }
}

double optimizer_bytes(const Job& job, int ranks) {
  const auto each = static_cast<double>(size_of(job.precision));
  double bytes = 8.0 * job.state_floats();  // read and written
  bytes += job.has_master_weights() ? 8.0 + each : 2.0 * each;
  bytes += each * (job.clips ? 2 : 1);
  const bool shards = job.parallel.shard != distributed::Shard::none;
  return bytes * static_cast<double>(job.layout->elements()) / (shards ? ranks : 1);
}

ComputeSeconds from_measurement(const Job& job, const MeasuredStep& measured, int ranks) {
  const double micro_batches =
      static_cast<double>(job.rows(ranks)) / static_cast<double>(measured.rows);
  const double share = job.parallel.shard != distributed::Shard::none ? 1.0 / ranks : 1.0;
  return {measured.forward * micro_batches, measured.backward * micro_batches,
          measured.optimizer * share};
}

}  // namespace

Flops flops_of(const ModelWork& work) {
  Flops flops;
  for (const auto& product : work.products) {
    const double once = forward_of(product);
    flops.forward += once;
    flops.backward += once * (product.has_input_gradient ? 2 : 1);
    if (product.is_recomputed) flops.recomputed += once;
  }
  for (const auto& attention : work.attention) {
    const double once = forward_of(attention);
    flops.forward += once;
    flops.backward += 2 * once;
    flops.recomputed += once * (kAttentionBackward - 2 + (attention.is_recomputed ? 1 : 0));
  }
  return flops;
}

Placement placement_of(const Machine& machine, int ranks, int ranks_per_host, int threads) {
  Placement placement{.ranks = ranks, .ranks_per_host = ranks_per_host, .threads = threads};
  if (threads == 0) {
    placement.threads = std::max(1, static_cast<int>(machine.cores) / placement.on_host());
  }
  return placement;
}

double product_flops_per_second(const Job& job, const Machine& machine,
                                const Placement& placement) {
  const double peak = machine.peak(job.precision, job.tf32);
  if (!machine.is_cpu) return peak * machine.product_share;
  const double one = machine.peak_of_one_core > 0
                         ? machine.peak_of_one_core * peak / machine.peak_float32
                         : peak / machine.cores;
  const double busy =
      std::min(machine.cores, static_cast<double>(placement.on_host() * placement.threads));
  return std::min(one * busy, peak) / placement.on_host() * machine.product_share;
}

double memory_bytes_per_second(const Machine& machine, const Placement& placement) {
  const double all = machine.memory_bytes_per_second * machine.memory_share;
  return machine.is_cpu ? all / placement.on_host() : all;
}

ComputeSeconds compute_seconds(const Job& job, const Machine& machine, const Placement& placement) {
  if (machine.measured) return from_measurement(job, *machine.measured, placement.ranks);
  Work forward, backward;
  split(job.work, forward, backward);
  const double products = product_flops_per_second(job, machine, placement);
  const double attention = products * machine.attention_share / machine.product_share;
  const double memory = memory_bytes_per_second(machine, placement);
  const double passes =
      job.work.element_wise_passes * static_cast<double>(size_of(job.precision)) / 2;
  const auto rows = static_cast<double>(job.rows(placement.ranks));
  const auto seconds = [&](const Work& work) {
    return rows * (work.products / products + work.attention / attention + passes / memory);
  };
  return {seconds(forward), seconds(backward), optimizer_bytes(job, placement.ranks) / memory};
}

}  // namespace ripieno::tools::plan
