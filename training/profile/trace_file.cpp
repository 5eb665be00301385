#include "ripieno/training/profile/trace_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

namespace ripieno::profiles {
namespace {

using Kind = trace::Event::Kind;

// Threads of the trace: steps first, then the tracks.
constexpr int kSteps = 0;
int thread_of(std::size_t track) { return static_cast<int>(track) + 1; }

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// Microseconds, exactly.
std::string us(int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

const char* category_of(Kind kind) {
  switch (kind) {
    case Kind::phase:
      return "phase";
    case Kind::collective:
      return "collective";
    case Kind::operation:
      return "operation";
    case Kind::backward:
      break;
  }
  return "backward";
}

std::string arguments_of(const Interval& interval) {
  std::string text;
  const auto add = [&](const char* name, int64_t value) {
    text += fmt::format("{}\"{}\":{}", text.empty() ? "" : ",", name, value);
  };
  if (interval.bytes > 0) add("bytes", interval.bytes);
  if (interval.flops > 0) add("flops", interval.flops);
  if (interval.bucket >= 0) add("bucket", interval.bucket);
  return text;
}

struct Line {
  int64_t begin, duration;
  std::string text;
};

std::string name_of(const Interval& interval) {
  std::string name(interval.name);
  if (interval.kind == Kind::backward) name += ": backward";
  return json_text(name);
}

std::string complete_event(const std::string& name, const char* category, int rank, int thread,
                           int64_t begin, int64_t duration, const std::string& arguments) {
  return fmt::format(
      R"({{"ph":"X","name":{},"cat":"{}","pid":{},"tid":{},"ts":{},"dur":{},"args":{{{}}}}})", name,
      category, rank, thread, us(begin), us(duration), arguments);
}

std::string metadata(const char* kind, int rank, int thread, const std::string& value) {
  return fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"ts":0,"args":{{{}}}}})", kind,
                     rank, thread, value);
}

std::vector<std::string> names_of(const Recorded& recorded, int rank, const std::string& host) {
  std::vector<std::string> lines;
  const auto add = [&](const char* kind, int thread, const std::string& value) {
    lines.push_back(metadata(kind, rank, thread, value));
  };
  const auto add_thread = [&](int thread, const std::string& name) {
    add("thread_name", thread, "\"name\":" + json_text(name));
    add("thread_sort_index", thread, fmt::format("\"sort_index\":{}", thread));
  };
  add("process_name", kSteps, "\"name\":" + json_text(fmt::format("rank {} on {}", rank, host)));
  add("process_sort_index", kSteps, fmt::format("\"sort_index\":{}", rank));
  add_thread(kSteps, "steps");
  for (std::size_t i = 0; i < recorded.tracks.size(); ++i)
    add_thread(thread_of(i), recorded.tracks[i].name);
  return lines;
}

std::vector<Line> lines_of(const Recorded& recorded, int rank, int64_t start) {
  std::vector<Line> lines;
  for (const Step& step : recorded.steps) {
    lines.push_back({step.begin, step.duration,
                     complete_event(fmt::format("\"step {}\"", step.number), "step", rank, kSteps,
                                    start + step.begin, step.duration, "")});
  }
  for (std::size_t i = 0; i < recorded.tracks.size(); ++i) {
    for (const Interval& interval : recorded.tracks[i].intervals) {
      lines.push_back(
          {interval.begin, interval.duration,
           complete_event(name_of(interval), category_of(interval.kind), rank, thread_of(i),
                          start + interval.begin, interval.duration, arguments_of(interval))});
    }
  }
  // An interval before those in it.
  std::ranges::stable_sort(lines, [](const Line& a, const Line& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.duration > b.duration;
  });
  return lines;
}

}  // namespace

std::string trace_header() { return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"; }

std::string trace_events(const Recorded& recorded, int rank, const std::string& host,
                         int64_t start) {
  std::string text;
  const char* separator = rank == 0 ? "" : ",\n";
  const auto append = [&](const std::string& line) {
    text += separator;
    text += line;
    separator = ",\n";
  };
  for (const auto& line : names_of(recorded, rank, host)) append(line);
  for (const auto& line : lines_of(recorded, rank, start)) append(line.text);
  return text;
}

std::string trace_footer(const std::string& table) {
  return fmt::format("\n],\n\"otherData\":{{\"table\":{}}}}}\n", json_text(table));
}

}  // namespace ripieno::profiles
