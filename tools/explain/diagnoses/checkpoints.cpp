#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/tools/explain/diagnoses/slow_steps.h"
#include "ripieno/tools/explain/diagnoses/suspects.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

std::vector<Finding> find_long_save(const RunFacts& run) {
  return find_behind(run, [](const Suspects& suspects) { return suspects.phase == "save"; });
}

std::vector<Finding> find_failed_storage(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : errors_of(run, {static_cast<int>(ExitStatus::storage)}))
    found.push_back(error_of(run, *failure));
  return found;
}

std::vector<Finding> find_damaged(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& path : run.saved.damaged) {
    found.push_back(
        {.phase = "save",
         .text = fmt::format("the checkpoint {} is damaged; {}", path,
                             run.saved.intact_step
                                 ? fmt::format("the newest intact one is {}", run.saved.intact_path)
                                 : "there is no intact one")});
  }
  return found;
}

// Of training, over all ranks, in seconds.
struct SaveShare {
  double all = 0, saving = 0;

  double share() const { return all > 0 ? saving / all : 0; }
};

SaveShare share_of_saves(const RunFacts& run) {
  SaveShare found;
  for (const auto& rank : run.ranks) {
    const auto& seconds = rank.record.seconds;
    if (seconds.size() < kPhases) continue;
    found.all += std::accumulate(seconds.begin(), seconds.end(), 0.0);
    found.saving += seconds[checkpoint];
  }
  return found;
}

bool waits_for_saves(const RunFacts& run) {
  constexpr double kShare = 0.1, kLeastSeconds = 2;
  const auto found = share_of_saves(run);
  return found.share() >= kShare &&
         found.saving >= kLeastSeconds * static_cast<double>(run.ranks.size());
}

// The mean time in which a rank wrote its part of the saves that its record still has; 0: none.
double shard_seconds(const Rank& rank) {
  double sum = 0;
  int count = 0;
  for (const auto& event : rank.record.events) {
    if (event.name != io::kWriteOfShard || event.has_failed || event.end <= event.start) continue;
    sum += (static_cast<double>(event.end) - static_cast<double>(event.start)) / 1e9;
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

// The rank that writes its part of a save most slowly, if the others wait for it.
std::optional<Finding> find_slow_writer(const RunFacts& run) {
  constexpr double kTimes = 2, kLeastSeconds = 0.05;
  if (!waits_for_saves(run) || run.ranks.size() < 2) return std::nullopt;
  std::vector<double> seconds;
  for (const auto& rank : run.ranks) seconds.push_back(shard_seconds(rank));
  const auto longest = std::max_element(seconds.begin(), seconds.end());
  const Rank& slow = run.ranks[static_cast<std::size_t>(longest - seconds.begin())];
  const double most = *longest;
  const auto middle = seconds.begin() + (std::ssize(seconds) - 1) / 2;
  std::nth_element(seconds.begin(), middle, seconds.end());
  if (*middle <= 0 || most < kTimes * *middle || most - *middle < kLeastSeconds)
    return std::nullopt;
  const auto share = share_of_saves(run);
  return Finding{
      .ranks = {slow.number()},
      .host = slow.host(),
      .phase = "save",
      .text = fmt::format("{} takes {} to write its part of a checkpoint, the median rank {}; "
                          "training has waited for saves for {:.0f} % of its time",
                          who(slow), duration(most), duration(*middle), 100 * share.share())};
}

std::vector<Finding> find_long_saves(const RunFacts& run) {
  if (!waits_for_saves(run) || find_slow_writer(run)) return {};
  const auto [all, saving] = share_of_saves(run);
  const auto ranks = static_cast<double>(run.ranks.size());
  return {
      {.phase = "save",
       .text = fmt::format("training has waited for saves of checkpoints for {:.0f} % of its "
                           "time ({} of {} per rank)",
                           100 * saving / all, duration(saving / ranks), duration(all / ranks))}};
}

std::vector<Finding> find_slow_saver(const RunFacts& run) {
  if (auto writer = find_slow_writer(run)) return {*std::move(writer)};
  const auto times = recent_step_times(run);
  const auto slow = times ? find_straggler(run, *times) : std::nullopt;
  if (!slow || slow->phase != checkpoint || !sharing_of(run, run.ranks[slow->index]).empty())
    return {};
  return {finding_of(run, *slow, "checkpoint")};
}

constexpr Diagnosis kDiagnoses[] = {
    {"R-CKPT-01", "a rank stays in a save", Stage::stall,
     "check the storage of the run directory from that host (`dd if=/dev/zero of=FILE bs=8M "
     "count=8 oflag=direct`); stacks.txt in its directory below ranks/ says where it was",
     find_long_save},
    {"R-CKPT-02", "storage failed", Stage::failure,
     "free space, a quota or permissions on the path that the message names; the same command "
     "resumes from the newest checkpoint",
     find_failed_storage},
    {"R-CKPT-03", "a checkpoint is damaged", Stage::caution,
     "nothing is needed if an older one is intact: the same command resumes from it; `ripieno "
     "verify RUN` checks all; look for what damaged it (disk, memory, another program)",
     find_damaged},
    {"R-CKPT-04", "saves take much of the time", Stage::slow,
     "save less often (checkpoint.every=auto chooses), or to faster storage", find_long_saves},
    {"R-CKPT-05", "a rank saves more slowly than the others", Stage::slow,
     "check the storage of the run directory from that host", find_slow_saver},
};

}  // namespace

std::span<const Diagnosis> checkpoint_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
