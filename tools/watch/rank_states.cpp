#include "ripieno/tools/watch/rank_states.h"

#include <algorithm>
#include <numeric>

#include "ripieno/io/run/ranks/stall.h"
#include "ripieno/tools/explain/run/rank.h"

namespace ripieno::tools::watch {
namespace {

constexpr double kWindowSeconds = 30;
constexpr std::size_t kCommunication = 3, kCheckpoint = 5, kValidation = 6;

PhaseSeconds totals_of(const io::FlightRecord& head) {
  PhaseSeconds totals = {};
  for (std::size_t i = 0; i < std::min(kPhases, head.seconds.size()); ++i) {
    const double seconds = head.seconds[i];
    if (seconds > 0 && seconds < 1e12) totals[i] = seconds;  // a damaged record may have any
  }
  return totals;
}

double sum_of(const PhaseSeconds& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

double own_of(const PhaseSeconds& seconds) {
  return sum_of(seconds) - seconds[kCommunication] - seconds[kCheckpoint] - seconds[kValidation];
}

PhaseSeconds difference(PhaseSeconds later, const PhaseSeconds& earlier) {
  for (std::size_t i = 0; i < kPhases; ++i) later[i] = std::max(0.0, later[i] - earlier[i]);
  return later;
}

RankState::Life life_of(const io::FlightRecord& head) {
  if (head.end.kind != io::FlightEnd::Kind::running) return RankState::Life::ended;
  const auto process = explain::process_state(head);
  if (process == '-') return RankState::Life::gone;
  if (process == 'T') return RankState::Life::stopped;
  return RankState::Life::running;
}

}  // namespace

void RankStates::update(std::vector<io::FlightRecord> heads, int64_t unix_now, double now) {
  heads_ = std::move(heads);
  keep_last_start();
  states_.clear();
  for (const auto& head : heads_) {
    size_ = std::max(size_, head.size);
    states_.push_back(state_of(head, unix_now, now));
  }
  mark_who_is_waited_for(unix_now);
  mark_slow();
}

// Records of earlier starts are of ranks that the last start does not have.
void RankStates::keep_last_start() {
  const auto last = std::max_element(
      heads_.begin(), heads_.end(),
      [](const auto& a, const auto& b) { return a.started_unix < b.started_unix; });
  if (last == heads_.end()) return;
  if (last->start != start_) {
    start_ = last->start;
    seen_.clear();
    size_ = 0;
  }
  std::erase_if(heads_, [&](const auto& head) { return head.start != start_; });
  std::sort(heads_.begin(), heads_.end(),
            [](const auto& a, const auto& b) { return a.rank < b.rank; });
}

// A heartbeat is known to be old by its count, which a clock that is set back does not change. Its
// time says how old it already was when it was first seen.
RankState RankStates::state_of(const io::FlightRecord& head, int64_t unix_now, double now) {
  const auto [found, is_new] = seen_.try_emplace(head.rank);
  Seen& seen = found->second;
  if (is_new) {
    const double age = io::heartbeat_age(head, unix_now);
    seen.changed = now - std::clamp(age, 0.0, 1e9);
  } else if (seen.beats != head.heartbeat.count) {
    seen.changed = now;
  }
  seen.beats = head.heartbeat.count;

  RankState state{.rank = head.rank,
                  .host = head.host,
                  .life = life_of(head),
                  .step = head.step,
                  .position = io::position_of(head),
                  .status = head.end.status,
                  .signal = head.end.signal,
                  .message = head.end.message,
                  .resident_bytes = head.heartbeat.resident_bytes};
  const double silence = now - seen.changed;
  const bool is_behind = state.life == RankState::Life::running && silence >= kBehindSeconds;
  if (is_behind) state.life = RankState::Life::behind;
  if (is_behind || state.life == RankState::Life::stopped) {
    state.is_silent = true;
    state.seconds = silence;
  }
  const PhaseSeconds totals = totals_of(head);
  seen.totals.emplace_back(now, totals);
  while (now - seen.totals.front().first > kWindowSeconds) seen.totals.pop_front();
  state.phases = difference(totals, seen.totals.front().second);
  if (sum_of(state.phases) <= 0) state.phases = totals;
  return state;
}

// Ranks that have a heartbeat, but have not begun the collective in which others wait.
void RankStates::mark_who_is_waited_for(int64_t unix_now) {
  for (const int suspect : io::find_stall(heads_).suspects) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      RankState& state = states_[i];
      if (state.rank != suspect || state.life != RankState::Life::running) continue;
      const int64_t since = explain::phase_since(heads_[i]);
      const double seconds = (static_cast<double>(unix_now) - static_cast<double>(since)) / 1e9;
      if (seconds < kBehindSeconds || seconds > 1e9) continue;
      state.life = RankState::Life::behind;
      state.seconds = seconds;
    }
  }
}

void RankStates::mark_slow() {
  if (states_.size() < 2) return;
  std::vector<double> own;
  for (const auto& state : states_) own.push_back(own_of(state.phases));
  const auto middle = own.begin() + std::ssize(own) / 2;
  std::nth_element(own.begin(), middle, own.end());
  for (auto& state : states_) {
    const double mine = own_of(state.phases), all = sum_of(state.phases);
    const bool costs_others = mine - *middle > 0.1 * all;
    if (*middle > 0 && costs_others) state.slowness = mine / *middle;
  }
}

}  // namespace ripieno::tools::watch
