#include <fmt/format.h>

#include <numeric>

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

std::vector<Finding> find_long_saves(const RunFacts& run) {
  constexpr double kShare = 0.1, kLeastSeconds = 2;
  double all = 0, saving = 0;
  for (const auto& rank : run.ranks) {
    const auto& seconds = rank.record.seconds;
    if (seconds.size() < kPhases) continue;
    all += std::accumulate(seconds.begin(), seconds.end(), 0.0);
    saving += seconds[checkpoint];
  }
  const auto ranks = static_cast<double>(run.ranks.size());
  if (all <= 0 || saving < kShare * all || saving < kLeastSeconds * ranks) return {};
  return {
      {.phase = "save",
       .text = fmt::format("training has waited for saves of checkpoints for {:.0f} % of its "
                           "time ({} of {} per rank)",
                           100 * saving / all, duration(saving / ranks), duration(all / ranks))}};
}

std::vector<Finding> find_slow_saver(const RunFacts& run) {
  const auto times = recent_step_times(run);
  const auto slow = times ? find_straggler(run, *times) : std::nullopt;
  if (!slow || slow->phase != checkpoint) return {};
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
