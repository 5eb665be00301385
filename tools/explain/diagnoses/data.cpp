#include <fmt/format.h>

#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/tools/explain/diagnoses/slow_steps.h"
#include "ripieno/tools/explain/diagnoses/suspects.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

constexpr double kInputBound = 0.2, kLeastSeconds = 0.002;

std::vector<Finding> find_long_data(const RunFacts& run) {
  return find_behind(run, [](const Suspects& suspects) { return suspects.phase == "data"; });
}

std::string readers_of(const io::FlightRecord& record) {
  if (record.reader_threads <= 0 || record.cores <= 0) return "";
  return fmt::format(", {} reader thread{} on {} core{}", record.reader_threads,
                     record.reader_threads == 1 ? "" : "s", record.cores,
                     record.cores == 1 ? "" : "s");
}

std::vector<Finding> find_input_bound(const RunFacts& run) {
  const auto times = recent_step_times(run);
  if (!times) return {};
  const double share = times->middle_share(data);
  if (share < kInputBound || times->median[data] < kLeastSeconds) return {};
  return {{.phase = "data",
           .text = fmt::format("input-bound: {:.0f} % of the step waits for data ({} of {}){}",
                               100 * share, duration(times->median[data]),
                               duration(total_of(times->median)),
                               readers_of(run.ranks.front().record))}};
}

std::vector<Finding> find_slow_reader(const RunFacts& run) {
  const auto times = recent_step_times(run);
  const auto slow = times ? find_straggler(run, *times) : std::nullopt;
  if (!slow || slow->phase != data || !sharing_of(run, run.ranks[slow->index]).empty()) return {};
  Finding finding = finding_of(run, *slow, "data");
  finding.text += readers_of(run.ranks[slow->index].record);
  return {finding};
}

std::vector<Finding> find_damaged_data(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : errors_of(run, {static_cast<int>(ExitStatus::data)}))
    found.push_back(error_of(run, *failure));
  return found;
}

constexpr Diagnosis kDiagnoses[] = {
    {"R-DATA-01", "a rank waits for data", Stage::stall,
     "check the storage that the data is on, from that host (`cat FILE > /dev/null`), and what the "
     "data set's read() waits for; stacks.txt in its directory below ranks/ says where it was",
     find_long_data},
    {"R-DATA-02", "steps wait for data", Stage::slow,
     "use more reader threads (BatchLoaderOptions::threads, TokenLoaderOptions), faster storage, "
     "or data that is decoded already",
     find_input_bound},
    {"R-DATA-03", "a rank reads more slowly than the others", Stage::slow,
     "check the storage and the load of that host; copy the data to its local disk",
     find_slow_reader},
    {"R-DATA-04", "data or a checkpoint is damaged", Stage::failure,
     "restore the file that the message names; of checkpoints an older one can be used: `ripieno "
     "verify RUN`",
     find_damaged_data},
};

}  // namespace

std::span<const Diagnosis> data_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
