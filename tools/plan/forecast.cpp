#include "ripieno/tools/plan/forecast.h"

#include <algorithm>
#include <cmath>

namespace ripieno::tools::plan {
namespace {

constexpr double kDay = 86400, kHour = 3600;
// What a process, its libraries and a driver take of a device's memory.
constexpr double kUsableMemory = 0.94;

int64_t memory_limit(const Machine& machine, const Placement& placement) {
  const auto usable =
      static_cast<int64_t>(kUsableMemory * static_cast<double>(machine.memory_bytes));
  return machine.is_cpu ? usable / placement.on_host() : usable;
}

// Parameters and optimizer state of all ranks.
double checkpoint_bytes(const Job& job) {
  const auto each = static_cast<double>(size_of(job.precision));
  const double floats = job.state_floats() + (job.has_master_weights() ? 1 : 0);
  return static_cast<double>(job.layout->elements()) * (each + 4 * floats);
}

// A save is written while training continues. A step pays for the copy on a CPU, and waits if the
// storage does not keep up.
double checkpoint_seconds(const Question& question, const Placement& placement, double step) {
  const Job& job = question.job;
  const Machine& machine = question.machine;
  const double bytes = checkpoint_bytes(job);
  const double writing =
      machine.storage_bytes_per_second > 0 ? bytes / machine.storage_bytes_per_second : 0;
  const double copying =
      machine.is_cpu ? bytes / placement.ranks / memory_bytes_per_second(machine, placement) : 0;
  if (job.checkpoint_every && *job.checkpoint_every == 0) return 0;
  // "auto": saving takes at most 3 % of the time.
  if (!job.checkpoint_every) return std::min(0.03 * step, copying);
  const auto every = static_cast<double>(*job.checkpoint_every);
  return (copying + std::max(0.0, writing - every * step)) / every;
}

double validation_seconds(const Job& job, const ComputeSeconds& compute, int ranks) {
  if (job.validation_samples == 0) return 0;
  const double times =
      job.evaluate_every > 0
          ? std::ceil(static_cast<double>(job.steps) / static_cast<double>(job.evaluate_every))
          : 1;
  const double sample = compute.forward / static_cast<double>(job.rows(ranks));
  return times * sample * static_cast<double>(job.validation_samples) / ranks;
}

double utilization(const Question& question, const Forecast& result) {
  const Machine& machine = question.machine;
  const double peak = machine.peak(question.job.precision, question.job.tf32);
  const double devices = machine.is_cpu ? result.placement.hosts() : result.placement.ranks;
  if (peak <= 0) return 0;
  return result.flops.of_model() * static_cast<double>(question.job.batch_size) /
         result.seconds.total() / (peak * devices);
}

}  // namespace

Forecast forecast(const Question& question) {
  const Job& job = question.job;
  const Machine& machine = question.machine;
  Forecast result;
  result.placement = placement_of(machine, question.ranks, question.ranks_per_host, job.threads);
  const Placement& placement = result.placement;
  result.micro_rows = job.micro_rows(question.ranks);
  result.micro_batches = job.micro_batches(question.ranks);
  result.bucket_bytes = bucket_bytes_of(job, machine, placement);
  result.memory = memory_of(job, question.ranks, result.bucket_bytes, placement.threads);
  result.host_bytes = machine.program_bytes + machine.shared_program_bytes / placement.on_host() +
                      (machine.is_cpu ? result.memory.total() : result.memory.data);
  result.memory_limit = memory_limit(machine, placement);
  result.flops = flops_of(job.work);

  const ComputeSeconds compute = compute_seconds(job, machine, placement);
  result.communication =
      communication_seconds(job, machine, placement, result.bucket_bytes, compute);
  const double loaded =
      static_cast<double>(job.work.bytes_of_batch) * static_cast<double>(job.rows(question.ranks));
  result.seconds = {.forward = compute.forward,
                    .backward = compute.backward,
                    .communication = result.communication.added(),
                    .optimizer = compute.optimizer,
                    .data = loaded / memory_bytes_per_second(machine, placement)};
  result.seconds.checkpoint = checkpoint_seconds(question, placement, result.seconds.total());

  const double step = result.seconds.total();
  result.units_per_second =
      static_cast<double>(job.batch_size) * static_cast<double>(job.work.units) / step;
  result.utilization = utilization(question, result);
  result.validation_seconds = validation_seconds(job, compute, question.ranks);
  const double all = step * static_cast<double>(job.steps) + result.validation_seconds;
  result.days = all / kDay;
  const double paid = machine.is_cpu ? placement.hosts() : placement.ranks;
  result.money = question.price_per_hour * paid * all / kHour;
  return result;
}

}  // namespace ripieno::tools::plan
