#include "ripieno/tools/plan/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace ripieno::tools::plan {
namespace {

using distributed::Shard;

constexpr const char* kOtherNumbers = "changes the numbers";
constexpr const char* kSameNumbers = "";

using Changes = std::vector<Change>;

bool is_plain(const distributed::DataParallelOptions& options) {
  return options.slots == 0 && options.diloco.steps == 0 && options.power_sgd_rank == 0;
}

void add(Changes& changes, const Question& question, std::string how, const char* note,
         const std::function<void(Question&)>& edit) {
  Question changed = question;
  edit(changed);
  Forecast result = forecast(changed);
  changes.push_back({std::move(how), note, std::move(changed), std::move(result)});
}

void add_shards(Changes& changes, const Question& question) {
  const auto& parallel = question.job.parallel;
  if (question.ranks == 1 || parallel.slots > 0 || parallel.diloco.steps > 0) return;
  const auto set = [&](const char* name, Shard shard) {
    if (parallel.shard == shard) return;
    if (shard == Shard::gradients && parallel.power_sgd_rank > 0) return;
    add(changes, question, fmt::format("--set parallel.shard={}", name), kSameNumbers,
        [&](Question& changed) { changed.job.parallel.shard = shard; });
  };
  set("none", Shard::none);
  set("optimizer", Shard::optimizer);
  set("gradients", Shard::gradients);
}

void add_micro_batches(Changes& changes, const Question& question) {
  if (question.job.parallel.slots > 0 || question.machine.measured) return;
  const int64_t now = question.job.micro_rows(question.ranks);
  const int64_t most = question.job.rows(question.ranks);
  for (const int64_t rows : {2 * now, 4 * now, now / 2}) {
    if (rows < 1 || rows > most || rows == now) continue;
    add(changes, question, fmt::format("--set train.micro_batch_size={}", rows), kSameNumbers,
        [&](Question& changed) { changed.job.parallel.micro_batch_size = rows; });
  }
}

void add_less_traffic(Changes& changes, const Question& question) {
  const auto& parallel = question.job.parallel;
  if (question.ranks == 1 || !is_plain(parallel)) return;
  if (parallel.wire == DType::float32 && size_of(question.job.precision) > 2) {
    add(changes, question, "--set parallel.wire=bfloat16", kOtherNumbers,
        [](Question& changed) { changed.job.parallel.wire = DType::bfloat16; });
  }
  if (parallel.shard != Shard::gradients && parallel.wire == DType::float32) {
    add(changes, question, "--set parallel.power_sgd_rank=16", kOtherNumbers,
        [](Question& changed) { changed.job.parallel.power_sgd_rank = 16; });
  }
  if (parallel.shard == Shard::none) {
    add(changes, question, "--set parallel.diloco_steps=50", kOtherNumbers,
        [](Question& changed) { changed.job.parallel.diloco.steps = 50; });
  }
}

void add_precision(Changes& changes, const Question& question) {
  if (question.machine.is_cpu || size_of(question.job.precision) <= 2) return;
  add(changes, question, "--set train.precision=bfloat16", kOtherNumbers,
      [](Question& changed) { changed.job.precision = DType::bfloat16; });
}

void add_recomputation(Changes& changes, const Question& question) {
  if (question.machine.measured) return;
  for (const OtherWork& other : question.job.other_work) {
    add(changes, question, other.how, kSameNumbers,
        [&](Question& changed) { changed.job.work = other.work; });
  }
}

// On CPUs: more hosts, with as many ranks each, for which a measurement holds, too.
void add_ranks(Changes& changes, const Question& question) {
  const int per_host = std::min(question.ranks, question.ranks_per_host);
  for (const int ranks : {2 * question.ranks, 4 * question.ranks}) {
    if (ranks > kMostRanks || ranks > question.job.batch_size) continue;
    std::string how = fmt::format("--ranks {}", ranks);
    if (question.machine.is_cpu) how += fmt::format(" --ranks-per-host {}", per_host);
    add(changes, question, how, "more devices", [&](Question& changed) {
      changed.ranks = ranks;
      if (question.machine.is_cpu) changed.ranks_per_host = per_host;
    });
  }
}

// Settings that take less memory, those that cost least time first.
using Edit = std::function<void(Question&)>;
struct Saving {
  std::string how;
  Edit edit;
};

std::vector<Saving> savings_of(const Question& question) {
  std::vector<Saving> savings;
  const auto& parallel = question.job.parallel;
  const bool can_shard = question.ranks > 1 && parallel.slots == 0 && parallel.diloco.steps == 0;
  if (parallel.slots == 0) {
    for (int64_t rows = question.job.micro_rows(question.ranks) / 2; rows >= 1; rows /= 2) {
      savings.push_back({fmt::format("--set train.micro_batch_size={}", rows),
                         [rows](Question& q) { q.job.parallel.micro_batch_size = rows; }});
    }
  }
  for (const OtherWork& other : question.job.other_work) {
    savings.push_back({other.how, [work = other.work](Question& q) { q.job.work = work; }});
  }
  if (can_shard && parallel.shard == Shard::none) {
    savings.push_back({"--set parallel.shard=optimizer",
                       [](Question& q) { q.job.parallel.shard = Shard::optimizer; }});
  }
  if (can_shard && parallel.shard != Shard::gradients && parallel.power_sgd_rank == 0) {
    savings.push_back({"--set parallel.shard=gradients",
                       [](Question& q) { q.job.parallel.shard = Shard::gradients; }});
  }
  return savings;
}

std::optional<Change> if_it_fits(const Question& question, const std::string& how,
                                 const std::vector<Edit>& edits) {
  Question changed = question;
  for (const Edit& edit : edits) edit(changed);
  Forecast result = forecast(changed);
  if (!result.fits()) return std::nullopt;
  return Change{how, "", std::move(changed), std::move(result)};
}

std::optional<Change> setting_that_fits(const Question& question, const std::string& before,
                                        const Edit& first) {
  const auto savings = savings_of(question);
  for (const Saving& saving : savings) {
    if (auto change = if_it_fits(question, before + saving.how, {first, saving.edit}))
      return change;
  }
  for (std::size_t i = savings.size(); i-- > 0;) {
    for (const Saving& smaller : savings) {
      if (&smaller == &savings[i] || smaller.how.substr(0, 16) == savings[i].how.substr(0, 16))
        continue;
      const std::string how = before + smaller.how + " " + savings[i].how;
      if (auto change = if_it_fits(question, how, {first, smaller.edit, savings[i].edit}))
        return change;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<Change> changes_of(const Question& question, const Forecast& result) {
  Changes all;
  add_shards(all, question);
  add_micro_batches(all, question);
  add_less_traffic(all, question);
  add_precision(all, question);
  add_recomputation(all, question);
  add_ranks(all, question);
  const double least = 1.01 * result.units_per_second;
  std::erase_if(all, [&](const Change& change) {
    return !change.result.fits() || change.result.units_per_second < least;
  });
  std::stable_sort(all.begin(), all.end(), [](const Change& a, const Change& b) {
    return a.result.units_per_second > b.result.units_per_second;
  });
  return all;
}

std::optional<Change> change_that_fits(const Question& question) {
  const Edit nothing = [](Question&) {};
  if (auto change = setting_that_fits(question, "", nothing)) return change;
  for (int ranks = 2 * question.ranks; ranks <= kMostRanks; ranks *= 2) {
    Question more = question;
    more.ranks = ranks;
    const std::string how = fmt::format("--ranks {}", ranks);
    if (auto change = if_it_fits(more, how, {})) return change;
    if (auto change = setting_that_fits(more, how + " ", nothing)) return change;
  }
  return std::nullopt;
}

}  // namespace ripieno::tools::plan
