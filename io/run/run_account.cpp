#include "ripieno/io/run/run_account.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace ripieno::io {
namespace {

using Json = nlohmann::json;

constexpr const char* kStepPhases[] = {"data", "forward", "backward", "communication_exposed",
                                       "optimizer"};

const Json& member(const Json& object, const char* name) {
  static const Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

double number(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_number() ? value.get<double>() : 0;
}

int64_t integer(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_number_integer() ? value.get<int64_t>() : 0;
}

// Seconds since 1970 of "2026-01-02T03:04:05Z".
std::optional<double> time_of(const Json& text) {
  tm time = {};
  if (!text.is_string()) return std::nullopt;
  const char* const end =
      ::strptime(text.get_ref<const std::string&>().c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return static_cast<double>(::timegm(&time));
}

// One start. Without `progress` it ended before its first save.
struct Start {
  double begin = 0;
  std::optional<double> at = {};  // of the progress
  int64_t first_step = 0, step = 0;
  const Json* entry = nullptr;  // in run.json
  const Json* progress = nullptr;
  double ranks = 1, usd_per_hour = 0;

  double seconds(const char* phase) const {
    return progress ? std::max(0.0, number(member(*progress, "seconds"), phase)) : 0;
  }
  double step_seconds() const {
    double sum = 0;
    for (const char* phase : kStepPhases) sum += seconds(phase);
    return sum;
  }
};

double usd_per_hour_of(const Json& start, double ranks) {
  std::set<std::string> hosts;
  for (const Json& host : member(start, "hosts")) {
    if (host.is_string()) hosts.insert(host.get<std::string>());
  }
  const Json& cost = member(start, "cost");
  return ranks * number(cost, "usd_per_rank_hour") +
         static_cast<double>(hosts.size()) * number(cost, "usd_per_host_hour");
}

std::vector<Start> starts_of(const Json& record) {
  std::vector<Start> starts;
  for (const Json& entry : member(record, "starts")) {
    const auto begin = time_of(member(entry, "started_at"));
    if (!begin) continue;
    Start start{.begin = *begin, .entry = &entry};
    start.ranks = std::max(1.0, number(entry, "world_size"));
    start.usd_per_hour = usd_per_hour_of(entry, start.ranks);
    const Json& progress = member(entry, "progress");
    if (const auto at = time_of(member(progress, "at"))) {
      start.progress = &progress;
      // Its own clock is finer, and is not set.
      const double total = start.seconds("total");
      start.at = total > 0 ? start.begin + total : *at;
      start.first_step = integer(progress, "first_step");
      start.step = integer(progress, "step");
    }
    starts.push_back(start);
  }
  return starts;
}

// Seconds by cause, in the order in which causes are first added.
class Causes {
 public:
  void add(const char* cause, double seconds) {
    if (!(seconds > 0)) return;
    const auto found = std::find_if(causes_.begin(), causes_.end(),
                                    [&](const auto& known) { return known.first == cause; });
    found == causes_.end() ? void(causes_.emplace_back(cause, seconds))
                           : void(found->second += seconds);
  }
  std::vector<std::pair<std::string, double>> sorted() {
    std::stable_sort(causes_.begin(), causes_.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    return std::move(causes_);
  }

 private:
  std::vector<std::pair<std::string, double>> causes_;
};

// 6 FLOP per parameter and token, without the table of positions, which is only looked up, and for
// attention 12 per layer, channel and position of the context, as if no position were masked. 0 if
// the model is not a GPT.
double flops_per_token(const Json& start) {
  const Json& model = member(member(start, "configuration"), "model");
  const double layers = number(model, "layers"), channels = number(model, "channels");
  const double context = number(model, "context");
  const double parameters = number(member(start, "memory"), "parameters");
  if (!(layers > 0 && channels > 0 && context > 0 && parameters > 0)) return 0;
  return 6 * (parameters - context * channels) + 12 * layers * channels * context;
}

void add_rates(RunAccount& account, const Start& start) {
  const double peak = number(member(*start.entry, "cost"), "peak_tflops_per_rank");
  const double flops = account.unit == "tokens" ? flops_per_token(*start.entry) : 0;
  if (peak > 0) account.peak_flops = peak * 1e12;
  if (flops > 0 && account.effective > 0)
    account.model_flops =
        flops * static_cast<double>(account.units) / account.effective / start.ranks;
}

}  // namespace

double utilization_per_token(const Json& start) {
  const double peak = 1e12 * number(member(start, "cost"), "peak_tflops_per_rank");
  return peak > 0 ? flops_per_token(start) / peak / std::max(1.0, number(start, "world_size")) : 0;
}

std::optional<RunAccount> account_of(const Json& record) {
  const auto starts = starts_of(record);
  const bool is_known =
      std::any_of(starts.begin(), starts.end(), [](const auto& start) { return start.progress; });
  if (!is_known) return std::nullopt;
  RunAccount account{.starts = static_cast<int64_t>(starts.size())};
  Causes lost, inside;
  double usd = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const Start& start = starts[i];
    const Start* const next = i + 1 < starts.size() ? &starts[i + 1] : nullptr;
    const double known = start.at.value_or(start.begin);
    const double end = next ? std::max(known, next->begin) : known;
    account.seconds += end - start.begin;
    usd += (end - start.begin) / 3600 * start.usd_per_hour;
    lost.add("after the last save, and until the next start", end - known);
    if (!start.progress) continue;
    // A next start without progress of its own has not said where it began.
    double undone = 0;
    if (next && next->progress && start.step > start.first_step)
      undone = static_cast<double>(std::max<int64_t>(0, start.step - next->first_step)) /
               static_cast<double>(start.step - start.first_step);
    undone = std::min(1.0, undone);
    const double steps = start.step_seconds(), kept = 1 - undone;
    account.effective += kept * steps;
    inside.add("waiting for data", kept * start.seconds("data"));
    inside.add("communication that nothing overlaps",
               kept * start.seconds("communication_exposed"));
    lost.add("starting and loading", start.seconds("starting"));
    lost.add("saving checkpoints", start.seconds("checkpoint"));
    lost.add("validation", start.seconds("validation"));
    lost.add("steps that were undone", start.seconds("undone") + undone * steps);
    const double named = steps + start.seconds("starting") + start.seconds("checkpoint") +
                         start.seconds("validation") + start.seconds("undone");
    lost.add("other", known - start.begin - named);
    account.rollbacks = integer(*start.progress, "rollbacks");
    account.skipped_steps += integer(*start.progress, "skipped_steps");
    for (const char* unit : {"tokens", "samples"}) {
      if (!member(*start.progress, unit).is_number()) continue;
      account.unit = unit;
      account.units = integer(*start.progress, unit);
    }
  }
  const bool has_prices = std::all_of(starts.begin(), starts.end(),
                                      [](const auto& start) { return start.usd_per_hour > 0; });
  if (has_prices) account.usd = usd;
  account.lost = lost.sorted();
  account.inside = inside.sorted();
  add_rates(account, starts.back());
  return account;
}

}  // namespace ripieno::io
