#include "ripieno/tools/explain/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "ripieno/io/run/progress.h"
#include "ripieno/tools/explain/diagnoses/slow_steps.h"
#include "ripieno/tools/explain/wrap.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools::explain {
namespace {

using nlohmann::json;

constexpr std::size_t kMostPlaces = 8, kFramesShown = 3;

std::string_view name_of(State state) {
  constexpr std::string_view kNames[] = {"running", "finished", "saved", "failed", "unknown"};
  return kNames[static_cast<int>(state)];
}

std::string_view name_of(Role role) {
  constexpr std::string_view kNames[] = {"root", "consequence", "teardown"};
  return kNames[static_cast<int>(role)];
}

std::set<std::string> hosts_of(const RunFacts& run) {
  std::set<std::string> hosts;
  for (const auto& rank : run.ranks) hosts.insert(rank.host());
  return hosts;
}

std::string what_happened(const RunFacts& run) {
  const std::string step = io::with_thousands(run.step());
  const bool has_total = run.start && run.start->steps > 0;
  const std::string steps = has_total ? " of " + io::with_thousands(run.start->steps) : "";
  switch (run.state) {
    case State::running:
      return fmt::format("is running, at step {}{}", step, steps);
    case State::finished:
      return fmt::format("has finished, with step {}", step);
    case State::saved:
      return fmt::format("was stopped on request and saved, at step {}{}", step, steps);
    case State::failed:
      return fmt::format("ended at step {}{}", step, steps);
    case State::unknown:
      break;
  }
  return fmt::format(
      "reached step {}{}; it has no records of its ranks, so the cause of an end "
      "cannot be found",
      step, steps);
}

std::string headline(const RunFacts& run) {
  std::string text = fmt::format("{} {}", run.directory, what_happened(run));
  if (!run.ranks.empty()) {
    const auto hosts = std::ssize(hosts_of(run));
    text += fmt::format("; {} on {}", counted(run.size, "rank"), counted(hosts, "host"));
  }
  if (run.launch.attempts > 1) text += fmt::format("; attempt {}", run.launch.attempts);
  const auto known = std::ssize(run.ranks);
  if (known > 0 && known < run.size)
    text += fmt::format("; {} of them left no record", run.size - known);
  return text;
}

// Seconds of this start by phase, the mean over the ranks; without records, of the metrics per
// step. Largest first.
std::vector<std::pair<std::string, double>> time_by_phase(const RunFacts& run) {
  std::map<std::string, double> sums;
  for (const auto& rank : run.ranks) {
    for (std::size_t i = 0; i < std::min(kPhases, rank.record.seconds.size()); ++i) {
      const double seconds = rank.record.seconds[i];
      if (seconds > 0 && seconds < 1e12)
        sums[std::string(io::kFlightPhases[i])] += seconds / static_cast<double>(run.ranks.size());
    }
  }
  if (run.ranks.empty()) {
    for (const auto& point : run.metrics.points) {
      for (const auto& [phase, seconds] : point.seconds) {
        if (phase != "total" && seconds > 0 && seconds < 1e12)
          sums[phase] += seconds / static_cast<double>(run.metrics.points.size());
      }
    }
  }
  std::vector<std::pair<std::string, double>> list(sums.begin(), sums.end());
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return list;
}

std::string time_text(const RunFacts& run) {
  const auto phases = time_by_phase(run);
  double all = 0;
  for (const auto& [phase, seconds] : phases) all += seconds;
  if (all <= 0) return "";
  std::string text = fmt::format("Time: {} {}", duration(all),
                                 run.ranks.empty() ? "per step" : "per rank since its start");
  for (const auto& [phase, seconds] : phases) {
    if (seconds >= 0.005 * all) text += fmt::format(", {:.0f} % {}", 100 * seconds / all, phase);
  }
  return text;
}

std::string checkpoint_text(const RunFacts& run) {
  if (run.state == State::finished) return "";
  if (!run.saved.intact_step) return "Checkpoint: none is intact, so a restart begins at step 0";
  std::string text = fmt::format("Checkpoint: the newest intact one is of step {}",
                                 io::with_thousands(*run.saved.intact_step));
  const int64_t lost = run.step() - *run.saved.intact_step;
  if (lost > 0) text += fmt::format(", {} before", counted(lost, "step"));
  return text;
}

constexpr std::size_t kMostAlerts = 8;

// "loss > 8 (step 120)", "loss > 8 (3 times, first at step 120, last at step 400)"
std::string alert_text(const FiredAlert& alert) {
  const std::string first = io::with_thousands(alert.first_step);
  if (alert.count == 1) return fmt::format("{} (step {})", alert.rule, first);
  return fmt::format("{} ({} times, first at step {}, last at step {})", alert.rule, alert.count,
                     first, io::with_thousands(alert.last_step));
}

std::string alerts_text(const RunFacts& run) {
  const auto& alerts = run.metrics.alerts;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMostAlerts, alerts.size()); ++i)
    text += (i == 0 ? "Alerts: " : "; ") + alert_text(alerts[i]);
  if (alerts.size() > kMostAlerts)
    text += fmt::format("; and of {} other rules", alerts.size() - kMostAlerts);
  return text;
}

std::string places_text(const RunFacts& run) {
  const bool is_over = run.state == State::finished || run.state == State::saved;
  if (is_over || run.ranks.empty()) return "";
  const auto places = places_of(run);
  std::string text =
      run.state == State::running ? "\nWhat the ranks do:\n" : "\nWhat the ranks did last:\n";
  for (std::size_t i = 0; i < std::min(kMostPlaces, places.size()); ++i) {
    std::string line = fmt::format("{}: {}", io::list_of(places[i].ranks), places[i].position);
    for (std::size_t frame = 0; frame < std::min(kFramesShown, places[i].stack.size()); ++frame)
      line += (frame == 0 ? "; in " : " < ") + places[i].stack[frame];
    text += wrapped(line, 2, 6);
  }
  if (places.size() > kMostPlaces)
    text += fmt::format("  and {} other places\n", places.size() - kMostPlaces);
  return text;
}

std::string title_of(Role role, std::size_t count) {
  switch (role) {
    case Role::root:
      return count == 1 ? "Cause:" : "Causes, the first last:";
    case Role::consequence:
      return "Consequences:";
    case Role::teardown:
      break;
  }
  return "The end of the job:";
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Role role : {Role::teardown, Role::consequence, Role::root}) {
    std::vector<const Finding*> of_role;
    for (const auto& finding : findings) {
      if (finding.role == role) of_role.push_back(&finding);
    }
    if (of_role.empty()) continue;
    text += "\n" + title_of(role, of_role.size()) + "\n";
    std::reverse(of_role.begin(), of_role.end());
    for (const auto* finding : of_role) {
      text += wrapped(fmt::format("{}: {}", finding->code, finding->text), 2, 4);
      if (role == Role::root) text += wrapped("To do: " + finding->remedy, 4, 6);
    }
  }
  return text;
}

json ranks_json(const RunFacts& run) {
  return {{"size", run.size}, {"hosts", hosts_of(run)}, {"recorded", run.ranks.size()}};
}

json finding_json(const Finding& finding) {
  return {{"code", finding.code},
          {"role", name_of(finding.role)},
          {"rank", finding.ranks.empty() ? json() : json(finding.ranks.front())},
          {"ranks", finding.ranks},
          {"host", finding.host},
          {"phase", finding.phase},
          {"text", finding.text},
          {"remedy", finding.remedy},
          {"page", fmt::format("docs/diagnoses/{}.md", finding.code)}};
}

}  // namespace

std::vector<Place> places_of(const RunFacts& run) {
  std::map<std::pair<std::vector<std::string>, std::string>, Place> by_place;
  for (const auto& rank : run.ranks) {
    const std::string position = io::position_of(rank.record);
    auto& place = by_place[{rank.stack, position}];
    place.position = position.empty() ? "nothing yet" : position;
    place.stack = rank.stack;
    place.ranks.push_back(rank.number());
  }
  std::vector<Place> places;
  for (auto& [key, place] : by_place) places.push_back(std::move(place));
  std::stable_sort(places.begin(), places.end(),
                   [](const auto& a, const auto& b) { return a.ranks.size() < b.ranks.size(); });
  return places;
}

std::string to_text(const RunFacts& run, const std::vector<Finding>& findings) {
  std::string text = wrapped(headline(run), 0, 2);
  for (const std::string& line : {time_text(run), checkpoint_text(run), alerts_text(run)}) {
    if (!line.empty()) text += wrapped(line, 0, 2);
  }
  for (const auto& remark : run.remarks) text += wrapped("Not read: " + remark, 0, 2);
  if (findings.empty()) {
    const bool is_known = run.state != State::unknown;
    return text + (is_known ? "\nNothing is wrong.\n"
                            : "\nNothing wrong was found in its metrics and checkpoints.\n");
  }
  text += places_text(run) + findings_text(findings);
  return text;
}

json to_json(const RunFacts& run, const std::vector<Finding>& findings) {
  json list = json::array(), places = json::array(), alerts = json::array(),
       seconds = json::object();
  for (const auto& finding : findings) list.push_back(finding_json(finding));
  for (const auto& place : places_of(run))
    places.push_back(
        {{"ranks", place.ranks}, {"position", place.position}, {"stack", place.stack}});
  for (const auto& alert : run.metrics.alerts) {
    alerts.push_back({{"rule", alert.rule},
                      {"count", alert.count},
                      {"first_step", alert.first_step},
                      {"last_step", alert.last_step}});
  }
  for (const auto& [phase, value] : time_by_phase(run)) seconds[phase] = value;
  return {{"findings", list},
          {"state", name_of(run.state)},
          {"step", run.step()},
          {"steps", run.start && run.start->steps > 0 ? json(run.start->steps) : json()},
          {"checkpoint", run.saved.intact_step ? json(*run.saved.intact_step) : json()},
          {"ranks", ranks_json(run)},
          {"seconds", seconds},
          {"places", places},
          {"alerts", alerts},
          {"not_read", run.remarks}};
}

}  // namespace ripieno::tools::explain
