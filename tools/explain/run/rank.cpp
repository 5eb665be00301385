#include "ripieno/tools/explain/run/rank.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "ripieno/core/host_name.h"
#include "ripieno/core/trace.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/run/ranks/stall.h"

namespace ripieno::tools::explain {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Seconds since 1970 at which this host started; 0 if unknown.
int64_t boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    int64_t seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

struct ProcessStat {
  char state = '?';
  int64_t started_unix = 0;  // seconds; 0 if unknown
};

std::optional<ProcessStat> stat_of(int process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  ProcessStat stat;
  rest >> stat.state;
  constexpr int kBetween = 18;  // fields between the state and the start time
  std::string skipped;
  for (int i = 0; i < kBetween; ++i) rest >> skipped;
  int64_t ticks = 0;
  const int64_t boot = boot_time();
  if (rest >> ticks && boot > 0) stat.started_unix = boot + ticks / ::sysconf(_SC_CLK_TCK);
  return stat;
}

struct PhaseOfEvent {
  std::string_view event, phase;
};
constexpr PhaseOfEvent kPhaseOfEvents[] = {{"data", "data"},
                                           {"wait for a batch", "data"},
                                           {"forward", "forward"},
                                           {"backward", "backward"},
                                           {"communication", "communication"},
                                           {"sum of a bucket", "communication"},
                                           {"gather of a bucket", "communication"},
                                           {"agreement", "communication"},
                                           {"optimizer", "optimizer"},
                                           {"wait for the running save", "save"},
                                           {trace::kSave, "save"},
                                           {io::kWriteOfShard, "save"},
                                           {trace::kWaitForShards, "save"},
                                           {"load of a checkpoint", "load"},
                                           {"verification of a checkpoint", "load"}};

std::string_view phase_of_event(const io::FlightEvent& event) {
  if (event.is_collective) return "communication";
  const auto* found = std::find_if(std::begin(kPhaseOfEvents), std::end(kPhaseOfEvents),
                                   [&](const auto& row) { return row.event == event.name; });
  return found == std::end(kPhaseOfEvents) ? std::string_view() : found->phase;
}

}  // namespace

std::optional<char> process_state(const io::FlightRecord& record) {
  if (record.host != host_name() || record.process <= 0) return std::nullopt;
  const auto stat = stat_of(record.process);
  // A process that started later has been given the same id.
  constexpr int64_t kTolerance = 5;
  const bool is_another = stat && stat->started_unix > record.started_unix / kSecond + kTolerance;
  if (!stat || is_another || stat->state == 'Z' || stat->state == 'X') return '-';
  return stat->state == 't' ? 'T' : stat->state;
}

Life life_of(const io::FlightRecord& record, const std::optional<LaunchedEnd>& launched,
             int64_t now) {
  if (record.end.kind != io::FlightEnd::Kind::running || launched) return Life::ended;
  const auto state = process_state(record);
  if (state == 'T') return Life::stopped;
  if (io::heartbeat_age(record, now) <= io::kOldHeartbeat && state != '-') return Life::running;
  if (state == '-') return Life::gone;
  return Life::silent;
}

void reopen_failed_events(io::FlightRecord& record) {
  // Ranks that the watchdog ends notice each other's end, which ends their collectives.
  using Kind = io::FlightEnd::Kind;
  const bool gave_up = record.end.kind == Kind::exception || record.end.kind == Kind::watchdog;
  if (!gave_up || record.events.empty()) return;
  const int thread = record.events.back().thread;
  std::vector<io::FlightEvent> open;
  for (auto event = record.events.rbegin(); event != record.events.rend(); ++event) {
    if (event->thread != thread) continue;
    if (!event->has_failed) break;
    open.push_back(*event);
    open.back().end = 0;
  }
  if (open.empty()) return;
  const auto place = std::find_if(record.threads.begin(), record.threads.end(),
                                  [&](const auto& other) { return other.id == thread; });
  if (place == record.threads.end()) {
    record.threads.insert(record.threads.begin(), {.id = thread, .open = std::move(open)});
    return;
  }
  // What is still open encloses them.
  if (!place->open.empty()) {
    const int64_t since = place->open.back().start;
    std::erase_if(open, [&](const auto& event) { return event.start < since; });
  }
  place->open.insert(place->open.end(), open.begin(), open.end());
}

std::string phase_of(const io::FlightRecord& record) {
  const std::string& activity = record.activity;
  if (activity == "save" || activity == "validation" || activity == "load" || activity == "end")
    return activity;
  // The innermost phase that says more than the activity.
  for (const auto& thread : record.threads) {
    for (auto event = thread.open.rbegin(); event != thread.open.rend(); ++event) {
      if (event->is_collective) continue;
      const auto phase = phase_of_event(*event);
      if (!phase.empty()) return std::string(phase);
    }
    if (!thread.open.empty() && thread.open.back().is_collective) return "communication";
  }
  return activity.empty() ? "start" : activity;
}

int64_t phase_since(const io::FlightRecord& record) {
  const auto* event = io::current_event(record);
  const bool is_in_activity = record.activity == "save" || record.activity == "validation";
  if (is_in_activity && !(event && event->is_collective))
    return record.unix_time_of(record.activity_since);
  return record.unix_time_of(event ? event->start : record.activity_since);
}

int64_t last_known(const Rank& rank) {
  int64_t last = rank.record.heartbeat.unix_time;
  if (rank.record.end.kind != io::FlightEnd::Kind::running)
    last = std::max(last, rank.record.end.unix_time);
  if (rank.launched) last = std::max(last, static_cast<int64_t>(rank.launched->time * 1e9));
  return last;
}

std::string who(const Rank& rank) {
  return fmt::format("rank {} (host {}, pid {})", rank.number(), rank.host(), rank.record.process);
}

std::string ranks_text(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + io::list_of(ranks);
}

}  // namespace ripieno::tools::explain
