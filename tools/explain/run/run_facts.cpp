#include "ripieno/tools/explain/run/run_facts.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/tools/explain/run/stacks.h"
#include "ripieno/tools/sources/foreign_json.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

// Kept of each rank, so that those of 1,000 ranks fit into memory.
constexpr std::size_t kEvents = 64;
// Between the clocks of two hosts; a heartbeat that is further in the future is damaged.
constexpr int64_t kMostSkew = 600'000'000'000;

int64_t clock_now() {
  timespec time = {};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// "rank_00003"
std::string rank_name(int rank) {
  const std::string directory = io::rank_directory("", rank);
  return directory.substr(directory.rfind('/') + 1);
}

// A record whose facts are damaged would be confused with that of another rank.
void require_plausible(const io::FlightRecord& record, const std::string& name) {
  constexpr int kMostRanks = 1'000'000;
  const bool is_plausible = record.size >= 1 && record.size <= kMostRanks && record.rank >= 0 &&
                            record.rank < record.size && name == rank_name(record.rank);
  if (!is_plausible)
    throw DataError(fmt::format("{} is damaged: it is of rank {} of {}", record.path, record.rank,
                                record.size));
}

void shrink(io::FlightRecord& record) {
  record.step = std::max<int64_t>(0, record.step);
  record.buckets = {};
  if (record.events.size() <= kEvents) return;
  const auto newest = record.events.end() - kEvents;
  const auto kept = std::remove_if(record.events.begin(), newest, [](const auto& event) {
    return event.name != io::kWriteOfShard;
  });
  record.events.erase(kept, newest);
  record.events.shrink_to_fit();
}

// The records of all ranks, of whichever start.
std::vector<io::FlightRecord> read_records(const io::FileSystem& files,
                                           const std::string& directory,
                                           std::vector<std::string>& remarks) {
  std::vector<io::FlightRecord> records;
  const std::string ranks = io::ranks_directory(directory);
  if (!files.exists(ranks)) return records;
  for (const auto& name : files.names_in(ranks)) {
    if (!name.starts_with("rank_")) continue;
    try {
      auto record = io::read_flight_record(ranks + "/" + name);
      if (!record) continue;
      require_plausible(*record, name);
      reopen_failed_events(*record);
      shrink(*record);
      records.push_back(std::move(*record));
    } catch (const Error& error) {
      remarks.push_back(error.what());
    }
  }
  return records;
}

// Removes the records of earlier starts, which ranks that the last start has not left.
void keep_last_start(std::vector<io::FlightRecord>& records) {
  const auto last = std::max_element(
      records.begin(), records.end(),
      [](const auto& a, const auto& b) { return a.started_unix < b.started_unix; });
  if (last == records.end()) return;
  const uint64_t start = last->start;
  std::erase_if(records, [&](const auto& record) { return record.start != start; });
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return a.rank < b.rank; });
}

std::optional<LaunchedEnd> launched_end(const LaunchRecords& launch,
                                        const io::FlightRecord& record) {
  for (const auto& end : launch.ends) {
    if (end.rank == record.rank && end.process == record.process) return end;
  }
  return std::nullopt;
}

std::string text_of(const nlohmann::json& object, const char* name) {
  const auto& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

std::optional<Start> last_start(const nlohmann::json& record) {
  const auto& starts = member(record, "starts");
  if (!starts.is_array() || starts.empty()) return std::nullopt;
  Start start{.started_at = text_of(starts.back(), "started_at"),
              .resumed_from = text_of(starts.back(), "resumed_from")};
  const auto& configuration = member(starts.back(), "configuration");
  start.on_bad_step = text_of(member(configuration, "safety"), "on_bad_step");
  start.precision = text_of(member(configuration, "train"), "precision");
  const auto& steps = member(member(configuration, "schedule"), "steps");
  if (steps.is_number_integer()) start.steps = std::max<int64_t>(0, steps.get<int64_t>());
  for (auto other = starts.rbegin(); other != starts.rend(); ++other) {
    if (text_of(*other, "resumed_from") != start.resumed_from) break;
    ++start.in_vain;
  }
  return start;
}

template <typename Read>
void try_to(std::vector<std::string>& remarks, const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    remarks.push_back(error.what());
  }
}

bool has_ended_with(const Rank& rank, ExitStatus status) {
  if (rank.launched)
    return rank.launched->signal == 0 && rank.launched->status == static_cast<int>(status);
  return rank.record.end.kind == io::FlightEnd::Kind::returned &&
         rank.record.end.status == static_cast<int>(status);
}

State state_of(const RunFacts& run) {
  if (run.ranks.empty()) return State::unknown;
  const auto all = [&](ExitStatus status) {
    return std::all_of(run.ranks.begin(), run.ranks.end(),
                       [&](const auto& rank) { return has_ended_with(rank, status); });
  };
  if (all(ExitStatus::finished)) return State::finished;
  if (all(ExitStatus::run_again)) return State::saved;
  const bool is_alive = std::any_of(run.ranks.begin(), run.ranks.end(), [](const auto& rank) {
    return rank.life == Life::running || rank.life == Life::stopped;
  });
  return is_alive ? State::running : State::failed;
}

bool asks_nccl(const RunFacts& run) {
  return run.state == State::running &&
         std::any_of(run.ranks.begin(), run.ranks.end(), [](const auto& rank) {
           return rank.host() == host_name() && rank.record.device.starts_with("cuda");
         });
}

// mpirun ends all ranks when one fails, so a rank that then misses heartbeats is dead. One that can
// be looked at is known.
void doubt_old_heartbeats(RunFacts& run) {
  constexpr double kMissed = 2.5;
  const bool has_failed = std::any_of(run.ranks.begin(), run.ranks.end(), [](const auto& rank) {
    return rank.life == Life::ended && !has_ended_with(rank, ExitStatus::finished) &&
           !has_ended_with(rank, ExitStatus::run_again);
  });
  for (auto& rank : run.ranks) {
    const bool is_old = io::heartbeat_age(rank.record, run.now) > kMissed;
    const bool is_doubtful = has_failed && rank.life == Life::running && is_old;
    if (is_doubtful && !process_state(rank.record)) rank.life = Life::silent;
  }
}

void take_ranks(const io::FileSystem& files, RunFacts& run) {
  auto records = read_records(files, run.directory, run.remarks);
  if (records.empty() && !run.remarks.empty()) throw DataError(run.remarks.front());
  keep_last_start(records);
  // The clock of another host may be ahead.
  const int64_t latest = run.now + kMostSkew;
  for (const auto& record : records) {
    if (record.heartbeat.unix_time < latest)
      run.now = std::max(run.now, record.heartbeat.unix_time);
  }
  run.stall = io::find_stall(records);
  for (auto& record : records) {
    run.size = std::max(run.size, record.size);
    Rank rank{.record = std::move(record)};
    rank.launched = launched_end(run.launch, rank.record);
    rank.life = life_of(rank.record, rank.launched, run.now);
    run.ranks.push_back(std::move(rank));
  }
  doubt_old_heartbeats(run);
  for (auto& rank : run.ranks) {
    try_to(run.remarks, [&] { rank.stack = read_stack(files, run.directory, rank.record); });
  }
}

}  // namespace

const Rank* RunFacts::find(int rank) const {
  const auto found =
      std::find_if(ranks.begin(), ranks.end(), [&](const auto& r) { return r.number() == rank; });
  return found == ranks.end() ? nullptr : &*found;
}

int64_t RunFacts::end() const {
  if (state == State::running) return now;
  int64_t last = 0;
  for (const auto& rank : ranks) last = std::max(last, last_known(rank));
  return last;
}

int64_t RunFacts::step() const {
  int64_t step = 0;
  for (const auto& rank : ranks) step = std::max(step, rank.record.step);
  if (ranks.empty() && !metrics.points.empty())
    step = std::max<int64_t>(0, metrics.points.back().step);
  return step;
}

RunFacts read_run(const io::FileSystem& files, const std::string& directory,
                  const ReadOptions& options) {
  RunFacts run{.directory = directory, .now = options.now != 0 ? options.now : clock_now()};
  const io::RunPaths paths{directory};
  if (!files.exists(directory)) throw UsageError(directory + ": no such directory");
  const bool is_run = files.exists(paths.record()) || files.exists(paths.metrics()) ||
                      files.exists(io::ranks_directory(directory));
  if (!is_run) {
    throw UsageError(directory +
                     ": not a run directory, which has run.json, metrics.jsonl or ranks/");
  }
  try_to(run.remarks, [&] { run.launch = read_launch_records(files, directory); });
  std::vector<std::string> remarks;
  std::swap(remarks, run.remarks);
  take_ranks(files, run);
  run.remarks.insert(run.remarks.begin(), remarks.begin(), remarks.end());
  try_to(run.remarks, [&] { run.start = last_start(io::read_record(paths)); });
  try_to(run.remarks, [&] { run.metrics = read_metric_history(files, paths.metrics()); });
  try_to(run.remarks, [&] { run.saved = read_saved_state(files, paths.checkpoints()); });
  if (run.metrics.unreadable > 0) {
    run.remarks.push_back(fmt::format(
        "{}: {} cannot be read", paths.metrics(),
        run.metrics.unreadable == 1 ? "a line" : fmt::format("{} lines", run.metrics.unreadable)));
  }
  run.state = state_of(run);
  run.failures = find_failures(run.ranks, run.state != State::running);
  if (options.asks_nccl && asks_nccl(run))
    run.nccl = ask_nccl(options.nccl.empty() ? nccl_ras_address() : options.nccl, 2);
  return run;
}

}  // namespace ripieno::tools::explain
