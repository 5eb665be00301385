#include "ripieno/io/run/ranks/stall.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "ripieno/core/trace.h"

namespace ripieno::io {
namespace {

// Times of damaged records can be any number, so their difference may not be one.
double seconds_between(int64_t begin, int64_t end) {
  return (static_cast<double>(end) - static_cast<double>(begin)) / 1e9;
}

struct Open {
  const FlightThread* thread = nullptr;
  const FlightEvent* event = nullptr;
};

// The thread that writes this rank's part of a save; null if none does.
const FlightThread* thread_that_saves(const FlightRecord& record) {
  for (const auto& thread : record.threads) {
    const bool saves = std::any_of(thread.open.begin(), thread.open.end(),
                                   [](const auto& event) { return event.name == trace::kSave; });
    if (saves && thread.open.back().name != trace::kWaitForShards) return &thread;
  }
  return nullptr;
}

// A thread in a collective may work for the one that trains, which waits for it.
Open open_in(const FlightRecord& record) {
  if (const auto* saving = thread_that_saves(record); saving && record.activity == "save")
    return {saving, &saving->open.back()};
  Open innermost;
  for (const auto& thread : record.threads) {
    if (thread.open.empty()) continue;
    if (!innermost.event) innermost = {&thread, &thread.open.back()};
    if (thread.open.back().is_collective) return {&thread, &thread.open.back()};
  }
  const bool is_main = innermost.thread == (record.threads.empty() ? nullptr : &record.threads[0]);
  return is_main ? innermost : Open{};
}

// The collective in which the rank waits; null if it is in none.
const FlightEvent* open_collective(const FlightRecord& record) {
  const auto* event = current_event(record);
  return event && event->is_collective ? event : nullptr;
}

bool is_same(const FlightEvent& a, const FlightEvent& b) {
  return a.group == b.group && a.group_sequence == b.group_sequence;
}

const FlightGroup* group_of(const FlightRecord& record, uint32_t id) {
  for (const auto& group : record.groups) {
    if (group.id == id) return &group;
  }
  return nullptr;
}

bool has_not_begun(const FlightRecord& record, const FlightEvent& collective) {
  const auto* group = group_of(record, collective.group);
  return group && group->begun < collective.group_sequence;
}

int64_t began(const FlightRecord& record, const FlightEvent& event) {
  return record.unix_time_of(event.start);
}

// The collective in which most ranks wait, as most of these called it; of several, the one that
// began first.
const FlightEvent* main_collective(const std::vector<FlightRecord>& records) {
  using Collective = std::pair<uint32_t, uint64_t>;
  std::map<Collective, int> waiting;
  std::map<std::pair<Collective, uint64_t>, int> alike;
  const auto collective_of = [](const FlightEvent& event) {
    return Collective(event.group, event.group_sequence);
  };
  for (const auto& record : records) {
    const auto* event = open_collective(record);
    if (!event) continue;
    ++waiting[collective_of(*event)];
    ++alike[{collective_of(*event), event->digest}];
  }
  const FlightEvent* found = nullptr;
  std::tuple<int, int, double> best;
  for (const auto& record : records) {
    const auto* event = open_collective(record);
    if (!event) continue;
    const std::tuple weight(waiting[collective_of(*event)],
                            alike[{collective_of(*event), event->digest}],
                            -static_cast<double>(began(record, *event)));
    if (found && weight <= best) continue;
    found = event;
    best = weight;
  }
  return found;
}

const FlightRecord* record_of(int rank, const std::vector<FlightRecord>& records) {
  for (const auto& record : records) {
    if (record.rank == rank) return &record;
  }
  return nullptr;
}

std::string who(const FlightRecord& record) {
  return fmt::format("rank {} on {} (process {})", record.rank, record.host, record.process);
}

std::string doing(const FlightRecord& record, int64_t unix_now) {
  const double age = heartbeat_age(record, unix_now);
  if (age > kOldHeartbeat) {
    return fmt::format("{} has written no heartbeat for {:.0f} s, last in {}", who(record), age,
                       position_of(record));
  }
  const auto* event = current_event(record);
  const int64_t since = event ? event->start : record.activity_since;
  const double seconds = seconds_between(record.unix_time_of(since), unix_now);
  return fmt::format("{} has been in {} for {:.0f} s", who(record), position_of(record), seconds);
}

std::string ranks(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + list_of(ranks);
}

// While the ranks wait for the end of a save they poll each other, so their collectives say
// nothing.
std::optional<Stall> find_stalled_save(const std::vector<FlightRecord>& records) {
  Stall stall{.kind = Stall::Kind::save};
  for (const auto& record : records) {
    if (record.activity != "save" && record.activity != "end") return std::nullopt;
    (thread_that_saves(record) ? stall.suspects : stall.waiting).push_back(record.rank);
  }
  return stall.suspects.empty() ? std::nullopt : std::optional(stall);
}

}  // namespace

const FlightEvent* current_event(const FlightRecord& record) { return open_in(record).event; }

std::string position_of(const FlightRecord& record) {
  std::string position = record.activity;
  const auto open = open_in(record);
  if (!open.thread) return position;
  for (const auto& event : open.thread->open) {
    if (event.name == record.activity) continue;
    if (!position.empty()) position += " > ";
    position += event.is_collective ? name_of(event) : event.name;
  }
  return position;
}

std::string name_of(const FlightEvent& collective) {
  std::string name = fmt::format("{} {}", collective.name, collective.group_sequence);
  if (collective.bucket < 0) return name;
  return fmt::format("{} (bucket {}{}{})", name, collective.bucket,
                     collective.parameters.empty() ? "" : ": ", collective.parameters);
}

std::string list_of(const std::vector<int>& ranks) {
  std::string list;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    list += fmt::format("{}{}", i == 0 ? "" : ", ", ranks[i]);
    if (last > i) list += fmt::format("{}{}", last == i + 1 ? ", " : "-", ranks[last]);
    i = last + 1;
  }
  return list;
}

double heartbeat_age(const FlightRecord& record, int64_t unix_now) {
  return seconds_between(record.heartbeat.unix_time, unix_now);
}

Stall find_stall(const std::vector<FlightRecord>& records) {
  if (const auto stall = find_stalled_save(records)) return *stall;
  const auto* waited_for = main_collective(records);
  if (!waited_for) return {};
  Stall stall{.collective = *waited_for};
  std::vector<int> different;
  for (const auto& record : records) {
    const auto* event = open_collective(record);
    if (event && is_same(*event, *waited_for)) {
      const bool is_equal = event->digest == waited_for->digest;
      (is_equal ? stall.waiting : different).push_back(record.rank);
    } else if (has_not_begun(record, *waited_for)) {
      stall.suspects.push_back(record.rank);
    }
  }
  if (!different.empty()) {
    stall.kind = Stall::Kind::mismatch;
    stall.suspects = different;
  } else {
    stall.kind = stall.suspects.empty() ? Stall::Kind::collective : Stall::Kind::behind;
  }
  return stall;
}

std::string to_string(const Stall& stall, const std::vector<FlightRecord>& records,
                      int64_t unix_now) {
  if (stall.kind == Stall::Kind::none) return "";
  const std::string name = name_of(stall.collective);
  if (stall.kind == Stall::Kind::collective)
    return fmt::format("{} wait in {}, which does not complete", ranks(stall.waiting), name);
  std::string text;
  if (stall.kind == Stall::Kind::mismatch) {
    const auto* record = record_of(stall.suspects.front(), records);
    const auto* event = record ? open_collective(*record) : nullptr;
    return fmt::format(
        "{} called {} of {} bytes of {}, {} called {} of {} bytes of {} (collective {} of the "
        "group); every rank must call the same collectives in the same order",
        record ? who(*record) : "a rank", event ? event->name : "?", event ? event->bytes : 0,
        event ? event->element_type : "?", ranks(stall.waiting), stall.collective.name,
        stall.collective.bytes, stall.collective.element_type, stall.collective.group_sequence);
  }
  for (std::size_t i = 0; i < stall.suspects.size() && i < 3; ++i) {
    const auto* record = record_of(stall.suspects[i], records);
    if (record) text += (text.empty() ? "" : "; ") + doing(*record, unix_now);
  }
  if (stall.suspects.size() > 3) text += fmt::format("; and {} more", stall.suspects.size() - 3);
  if (stall.waiting.empty()) return text;
  return fmt::format("{}; {} wait{} for {} in {}", text, ranks(stall.waiting),
                     stall.waiting.size() == 1 ? "s" : "",
                     stall.suspects.size() == 1 ? "it" : "them",
                     stall.kind == Stall::Kind::save ? "a save" : name);
}

}  // namespace ripieno::io
