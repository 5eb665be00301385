#include "ripieno/tools/watch/rank_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "ripieno/io/run/ranks/stall.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::watch {
namespace {

using Life = RankState::Life;

constexpr double kSlow = 1.2;  // times the median rank's own work

std::string hosts_text(const std::vector<const RankState*>& ranks) {
  std::set<std::string> hosts;
  for (const auto* rank : ranks) hosts.insert(rank->host);
  return hosts.size() == 1 ? *hosts.begin() : fmt::format("{} hosts", hosts.size());
}

RankRow together(const std::vector<const RankState*>& ranks, std::string label) {
  RankRow row{.label = std::move(label), .host = hosts_text(ranks)};
  for (const auto* rank : ranks) {
    row.ranks.push_back(rank->rank);
    for (std::size_t i = 0; i < kPhases; ++i)
      row.phases[i] += rank->phases[i] / static_cast<double>(ranks.size());
  }
  return row;
}

RankRow alone(const RankState& rank) {
  RankRow row = together({&rank}, std::to_string(rank.rank));
  row.note = note_of(rank);
  row.is_bad = is_bad(rank);
  return row;
}

// Ranks with the same kind of remark, when there is no room for a row each.
RankRow several(const std::vector<const RankState*>& ranks) {
  RankRow row = together(ranks, fmt::format("{} more", ranks.size()));
  for (const auto* rank : ranks) row.is_bad |= is_bad(*rank);
  row.note = fmt::format("{}: {}", note_of(*ranks.front()), io::list_of(row.ranks));
  return row;
}

// The gravest first.
int gravity(const RankState& rank) {
  if (rank.is_silent) return 0;
  return is_bad(rank) ? 1 : 2;
}

void append_others(const std::vector<const RankState*>& others, bool has_outliers, std::size_t room,
                   std::vector<RankRow>& rows) {
  std::map<std::string, std::vector<const RankState*>> by_host;
  for (const auto* rank : others) by_host[rank->host].push_back(rank);
  if (by_host.size() > room || by_host.size() == 1) {
    const auto* what = has_outliers ? "{} others" : "all {}";
    rows.push_back(together(others, fmt::format(fmt::runtime(what), others.size())));
    return;
  }
  for (const auto& [host, ranks] : by_host)
    rows.push_back(together(ranks, ranks.size() == 1 ? std::to_string(ranks[0]->rank)
                                                     : fmt::format("{} ranks", ranks.size())));
}

}  // namespace

bool is_bad(const RankState& rank) {
  const bool has_failed =
      rank.life == Life::ended &&
      (rank.signal != 0 || (rank.status != static_cast<int>(ExitStatus::finished) &&
                            rank.status != static_cast<int>(ExitStatus::run_again)));
  return has_failed || rank.life == Life::behind || rank.life == Life::stopped ||
         rank.life == Life::gone;
}

std::string note_of(const RankState& rank) {
  switch (rank.life) {
    case Life::behind:
      return fmt::format("behind {:.0f} s: {}", rank.seconds,
                         rank.is_silent ? "no heartbeat" : rank.position);
    case Life::stopped:
      return "stopped by a signal";
    case Life::gone:
      return "killed: its process is gone";
    case Life::ended:
      if (!is_bad(rank)) return "";
      if (rank.signal != 0) return fmt::format("ended by signal {}", rank.signal);
      return fmt::format("ended with {}: {}", rank.status, rank.message);
    case Life::running:
      break;
  }
  return rank.slowness >= kSlow ? fmt::format("slow: {:.1f} times the median", rank.slowness) : "";
}

std::vector<RankRow> rank_rows(const std::vector<RankState>& ranks, std::size_t most) {
  std::vector<RankRow> rows;
  if (ranks.size() <= most) {
    for (const auto& rank : ranks) rows.push_back(alone(rank));
    return rows;
  }
  std::vector<const RankState*> outliers, others;
  for (const auto& rank : ranks) (note_of(rank).empty() ? others : outliers).push_back(&rank);
  std::stable_sort(outliers.begin(), outliers.end(),
                   [](auto* a, auto* b) { return gravity(*a) < gravity(*b); });
  const std::size_t for_others = others.empty() ? 0 : 1;
  const std::size_t room = std::max<std::size_t>(1, most - for_others);
  const bool fits = outliers.size() <= room;
  const std::size_t single = fits ? outliers.size() : room - 1;
  for (std::size_t i = 0; i < single; ++i) rows.push_back(alone(*outliers[i]));
  if (!fits)
    rows.push_back(
        several({outliers.begin() + static_cast<std::ptrdiff_t>(single), outliers.end()}));
  if (!others.empty() && rows.size() < most)
    append_others(others, !outliers.empty(), most - rows.size(), rows);
  return rows;
}

}  // namespace ripieno::tools::watch
