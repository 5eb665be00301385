#include "ripieno/tools/plan/memory.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/shards.h"
#include "ripieno/distributed/strategies/slot_tree.h"

namespace ripieno::tools::plan {
namespace {

using distributed::Bucket;
using distributed::MemoryReport;
using distributed::Shard;

constexpr int64_t kFloat = sizeof(float);
// Of the loss (core/losses/linear_cross_entropy.h): logits of a chunk of rows, in bytes.
constexpr int64_t kChunkBytes = int64_t{256} << 20;
constexpr int64_t kBatchesAhead = 3;

int64_t element_bytes(const Job& job) { return static_cast<int64_t>(size_of(job.precision)); }

int64_t tensors(const Job& job, const std::vector<ModelWork::Kept>& all, int64_t rows) {
  int64_t bytes = 0;
  for (const ModelWork::Kept& kept : all) {
    const int64_t each = kept.elements * rows * (kept.is_float32 ? kFloat : element_bytes(job));
    bytes += kept.times * pooled(each);
  }
  return bytes;
}

int64_t largest_of(const std::vector<Bucket>& buckets) {
  int64_t largest = 0;
  for (const Bucket& bucket : buckets) largest = std::max(largest, bucket.end - bucket.begin);
  return largest;
}

// As GradientReducer::transient_bytes().
int64_t buckets_in_flight(const Job& job, const std::vector<Bucket>& buckets, int ranks) {
  const bool divides = std::all_of(buckets.begin(), buckets.end(), [&](const Bucket& bucket) {
    return (bucket.end - bucket.begin) % ranks == 0;
  });
  const int64_t largest = largest_of(buckets) * element_bytes(job);
  const int64_t copy = divides ? 0 : largest;
  if (job.parallel.shard != Shard::gradients) return copy;
  constexpr int64_t kInFlight = 3, kBesideThem = 2;
  const int64_t in_flight = (job.parallel.overlap ? kInFlight : 0) + kBesideThem;
  const int64_t at_once = std::min(static_cast<int64_t>(buckets.size()), in_flight);
  // The bucket of a tied embedding exists from the loss to the end of the backward.
  int64_t beside_last = 0;
  const auto others = static_cast<int64_t>(buckets.size()) - 1;
  for (int64_t begin = 0; job.work.ties_embedding && begin < others; ++begin) {
    int64_t together = 0;
    for (int64_t i = begin; i < std::min(begin + in_flight, others); ++i) {
      const Bucket& bucket = buckets[static_cast<std::size_t>(i)];
      together += bucket.end - bucket.begin;
    }
    beside_last = std::max(beside_last, together);
  }
  const int64_t last = buckets.back().end - buckets.back().begin;
  return copy + std::max(at_once * largest, (beside_last + last) * element_bytes(job));
}

void add_strategy(MemoryReport& report, const Job& job, const std::vector<Bucket>& buckets,
                  int ranks, int threads) {
  const auto& parallel = job.parallel;
  const int64_t elements = job.layout->elements();
  const auto add = [&](const char* what, int64_t bytes, bool transient = false) {
    if (bytes > 0) report.lines.push_back({what, bytes, transient});
  };
  if (parallel.diloco.steps > 0) add("outer_momentum", elements * kFloat);
  if (parallel.diloco.steps > 0) add("parameters at the last outer step", elements * kFloat);
  if (parallel.slots > 0) {
    const auto owned = distributed::slots_of(0, ranks, parallel.slots);
    const int sets =
        std::min(threads, owned.count()) + distributed::most_nodes_at_once(owned, parallel.slots);
    add("gradients of slots", (sets - 1) * elements * element_bytes(job));
  }
  if (ranks == 1) return;
  const bool narrows = parallel.wire == DType::bfloat16 && !job.has_master_weights();
  if (narrows && parallel.diloco.steps == 0)
    add("buffers for compressed gradients", largest_of(buckets) * 2);
  if (parallel.power_sgd_rank > 0) {
    add("buffers for compressed gradients", elements * kFloat);
  }
  if (parallel.shard != Shard::none)
    add("buckets in flight", buckets_in_flight(job, buckets, ranks), true);
}

}  // namespace

int64_t Job::micro_rows(int ranks) const {
  if (parallel.slots > 0) return std::max<int64_t>(batch_size / parallel.slots, 1);
  const int64_t most = parallel.micro_batch_size;
  return most > 0 ? std::min(most, rows(ranks)) : rows(ranks);
}

int64_t Job::micro_batches(int ranks) const {
  return (rows(ranks) + micro_rows(ranks) - 1) / micro_rows(ranks);
}

int64_t pooled(int64_t bytes) {
  if (bytes <= 64) return bytes > 0 ? 64 : 0;
  const int power = static_cast<int>(std::bit_width(static_cast<uint64_t>(bytes - 1))) - 1;
  const int64_t step = int64_t{1} << (power - 2);
  return (bytes + step - 1) / step * step;
}

int64_t Memory::total() const {
  int64_t bytes = activations + temporary + data;
  for (const MemoryReport::Line& line : model.lines) bytes += line.bytes;
  return bytes;
}

Memory memory_of(const Job& job, int ranks, std::size_t bucket_bytes, int threads) {
  const bool shards = ranks > 1 && job.parallel.shard != Shard::none;
  const auto each = static_cast<std::size_t>(element_bytes(job));
  const auto buckets = distributed::buckets_of(*job.layout, each, bucket_bytes);
  const int64_t whole = job.layout->elements();
  const int64_t owned =
      shards ? optim::Optimizer::shard_layout(distributed::owned_by(buckets, 0, ranks))->elements()
             : whole;
  Memory memory{.model = {.parameters = job.parameters, .lines = {}}};
  auto& lines = memory.model.lines;
  const bool shards_gradients = shards && job.parallel.shard == Shard::gradients;
  lines.push_back({"parameters", whole * element_bytes(job)});
  lines.push_back({"gradients", (shards_gradients ? owned : whole) * element_bytes(job)});
  for (const auto& [name, share] : job.state) {
    const auto elements = static_cast<int64_t>(share * static_cast<double>(owned));
    lines.push_back({name, elements * kFloat});
  }
  if (job.has_master_weights()) lines.push_back({"master", owned * kFloat});
  add_strategy(memory.model, job, buckets, ranks, threads);

  const int64_t rows = job.micro_rows(ranks);
  const int64_t at_once =
      job.parallel.slots > 0
          ? std::min<int64_t>(threads, distributed::slots_of(0, ranks, job.parallel.slots).count())
          : 1;
  const ModelWork& work = job.work;
  memory.activations =
      at_once * (tensors(job, work.kept, rows) + pooled(work.float32_per_batch * kFloat));
  const int64_t logits = work.logits_per_row * work.rows_of_logits * rows * element_bytes(job);
  memory.temporary =
      at_once * (tensors(job, work.in_backward, rows) + pooled(std::min(logits, kChunkBytes)));
  memory.data = kBatchesAhead * work.bytes_of_batch * job.rows(ranks);
  return memory;
}

}  // namespace ripieno::tools::plan
