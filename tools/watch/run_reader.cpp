#include "ripieno/tools/watch/run_reader.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/io/run/record_differences.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/tools/explain/diagnose.h"
#include "ripieno/tools/explain/run/run_facts.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::watch {
namespace {

// Waits in multiples of the processor time that reading, and diagnosing, took: 0.4 % of a core
// each.
constexpr double kIdleFactor = 250;
constexpr double kLeastWait = 1, kLeastDiagnosisWait = 5;

double seconds_of(clockid_t clock) {
  timespec time = {};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::string name_of(const std::string& directory) {
  auto path = std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

void require_run(const io::FileSystem& files, const std::string& directory) {
  if (!files.exists(directory)) throw UsageError(directory + ": no such directory");
  const io::RunPaths paths{directory};
  const bool is_run = files.exists(paths.record()) || files.exists(paths.metrics()) ||
                      files.exists(io::ranks_directory(directory));
  if (is_run) return;
  throw UsageError(directory +
                   ": not a run directory, which has run.json, metrics.jsonl or ranks/");
}

// schedule.steps of the last start; 0 if it is not known.
int64_t planned_steps(const nlohmann::json& record) {
  const auto& starts = record.at("starts");
  const nlohmann::json::json_pointer key("/configuration/schedule/steps");
  if (starts.empty() || !starts.back().contains(key)) return 0;
  const auto& steps = starts.back()[key];
  return steps.is_number_integer() ? std::max<int64_t>(0, steps.get<int64_t>()) : 0;
}

bool ended_with(const RankState& rank, ExitStatus status) {
  return rank.life == RankState::Life::ended && rank.signal == 0 &&
         rank.status == static_cast<int>(status);
}

Snapshot::State state_of(const std::vector<RankState>& ranks) {
  using State = Snapshot::State;
  if (ranks.empty()) return State::unknown;
  const auto all = [&](auto is_so) { return std::all_of(ranks.begin(), ranks.end(), is_so); };
  if (all([](const auto& rank) { return ended_with(rank, ExitStatus::finished); }))
    return State::finished;
  if (all([](const auto& rank) { return ended_with(rank, ExitStatus::run_again); }))
    return State::saved;
  if (all([](const auto& rank) {
        return rank.life == RankState::Life::ended || rank.life == RankState::Life::gone;
      }))
    return State::ended;
  return State::running;
}

}  // namespace

std::string_view name_of(Snapshot::State state) {
  constexpr std::string_view kStates[] = {
      "no records of ranks", "starting", "running", "finished", "saved", "ended"};
  return kStates[static_cast<int>(state)];
}

RunReader::RunReader(const io::FileSystem& files, std::string directory, bool diagnoses)
    : files_(files),
      directory_(std::move(directory)),
      diagnoses_(diagnoses),
      metrics_(io::RunPaths{directory_}.metrics()) {}

Snapshot RunReader::read() {
  const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  require_run(files_, directory_);
  Snapshot snapshot{.name = name_of(directory_)};
  const auto attempt = [&](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      snapshot.remark = error.what();
    }
  };
  attempt([&] { read_start(snapshot); });
  read_ranks(snapshot);
  attempt([&] { metrics_.poll(files_); });
  attempt([&] { read_checkpoints(snapshot); });
  snapshot.measured = metrics_.measured();
  snapshot.step = std::max(snapshot.step, snapshot.measured.step);
  const bool is_complete = snapshot.steps > 0 && snapshot.step >= snapshot.steps;
  if (snapshot.state == Snapshot::State::unknown && is_complete)
    snapshot.state = Snapshot::State::finished;
  const auto seconds = snapshot.measured.step_seconds();
  if (seconds && snapshot.steps > snapshot.step && snapshot.state == Snapshot::State::running)
    snapshot.seconds_left = *seconds * static_cast<double>(snapshot.steps - snapshot.step);
  const double taken = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
  seconds_to_wait_ = std::max(kLeastWait, kIdleFactor * taken);
  if (diagnoses_) diagnose(snapshot);
  return snapshot;
}

// run.json changes only when the run is started, so it is read again when its size is another.
void RunReader::read_start(Snapshot& snapshot) {
  const io::RunPaths paths{directory_};
  const int64_t bytes = files_.exists(paths.record()) ? files_.open(paths.record())->size() : 0;
  if (bytes != record_bytes_) planned_ = planned_steps(io::read_record(paths));
  record_bytes_ = bytes;
  snapshot.steps = planned_;
}

void RunReader::read_ranks(Snapshot& snapshot) {
  std::vector<io::FlightRecord> heads;
  const std::string ranks = io::ranks_directory(directory_);
  const bool has_ranks = files_.exists(ranks);
  for (const auto& name : has_ranks ? files_.names_in(ranks) : std::vector<std::string>()) {
    if (!name.starts_with("rank_")) continue;
    try {
      if (auto head = io::read_flight_head(ranks + "/" + name)) heads.push_back(std::move(*head));
    } catch (const Error& error) {
      snapshot.remark = error.what();
    }
  }
  if (heads.empty() && !snapshot.remark.empty() && has_ranks) throw DataError(snapshot.remark);
  const auto unix_now = static_cast<int64_t>(seconds_of(CLOCK_REALTIME) * 1e9);
  ranks_.update(std::move(heads), unix_now, seconds_of(CLOCK_MONOTONIC));
  snapshot.ranks = ranks_.states();
  snapshot.size = ranks_.size();
  snapshot.state = state_of(snapshot.ranks);
  double fullest = 0;
  for (const auto& head : ranks_.heads()) {
    snapshot.step = std::max(snapshot.step, head.step);
    const auto& beat = head.heartbeat;
    if (!beat.group_bytes || beat.group_limit_bytes.value_or(0) <= 0) continue;
    const double share =
        static_cast<double>(*beat.group_bytes) / static_cast<double>(*beat.group_limit_bytes);
    if (share <= fullest) continue;
    fullest = share;
    snapshot.group_bytes = beat.group_bytes;
    snapshot.group_limit_bytes = beat.group_limit_bytes;
  }
  if (snapshot.state == Snapshot::State::running && snapshot.step == 0)
    snapshot.state = Snapshot::State::starting;
}

void RunReader::read_checkpoints(Snapshot& snapshot) {
  const io::RunPaths paths{directory_};
  for (const auto& found : io::step_directories(files_, paths.checkpoints())) {
    auto& checkpoints = snapshot.checkpoints;
    if (found.suffix == io::kPartial) {
      checkpoints.is_saving = true;
    } else if (found.suffix.empty() || found.suffix[0] == io::kAttempt) {
      ++checkpoints.count;
      if (!checkpoints.newest) checkpoints.newest = found.step;
    }
  }
}

// Everything that `ripieno explain` reads: more than the rest, hence less often.
void RunReader::diagnose(Snapshot& snapshot) {
  const double now = seconds_of(CLOCK_MONOTONIC);
  if (now >= diagnosis_due_) {
    const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    code_ = diagnosis_ = "";
    try {
      const auto run = explain::read_run(files_, directory_, {.asks_nccl = false});
      for (const auto& finding : explain::diagnose(run)) {
        if (finding.role != explain::Role::root) continue;
        code_ = finding.code;
        diagnosis_ = finding.text;
        break;
      }
    } catch (const Error& error) {
      snapshot.remark = error.what();
    }
    const double taken = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
    diagnosis_due_ = now + std::max(kLeastDiagnosisWait, kIdleFactor * taken);
  }
  snapshot.code = code_;
  snapshot.diagnosis = diagnosis_;
}

}  // namespace ripieno::tools::watch
