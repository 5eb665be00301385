#include "ripieno/training/profile/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

namespace ripieno::profiles {
namespace {

using Kind = trace::Event::Kind;

constexpr std::size_t kMostRows = 30;  // of one block; the rest are summed up
constexpr const char* kOutside = "not in an operation";

struct Row {
  std::string name, phase = {};
  bool is_operation = true;
  int64_t count = 0, own = 0;
  // Of those whose bytes or FLOPs are known; their time is that of all of them.
  int64_t bytes = 0, flops = 0;
  bool knows_bytes = true, knows_flops = true;

  void add(const Interval& interval) {
    ++count;
    own += interval.own;
    knows_bytes = knows_bytes && interval.bytes != trace::kUnknown;
    knows_flops = knows_flops && interval.flops != trace::kUnknown;
    bytes += interval.bytes;
    flops += interval.flops;
  }
};

// Threads or streams that are shown together.
struct Block {
  std::string title;
  int64_t duration = 0;  // of all of them together
  std::vector<Row> rows;
};

Row row_of(const Interval& interval) {
  if (!interval.is_operation()) {
    const bool is_phase = interval.kind == Kind::phase;
    return {.name = kOutside,
            .phase = is_phase ? std::string(interval.name) : "backward",
            .is_operation = false};
  }
  std::string name(interval.name);
  if (interval.kind == Kind::backward) name += ": backward";
  return {.name = name, .phase = std::string(interval.phase)};
}

std::vector<Row> rows_of(const std::vector<const Track*>& tracks, int64_t duration) {
  std::map<std::tuple<bool, std::string, std::string>, Row> rows;
  int64_t own = 0;
  for (const Track* track : tracks) {
    for (const Interval& interval : track->intervals) {
      const Row row = row_of(interval);
      auto& sum = rows.try_emplace({row.is_operation, row.phase, row.name}, row).first->second;
      sum.add(interval);
      own += interval.own;
    }
  }
  std::vector<Row> result;
  for (auto& [key, row] : rows) result.push_back(std::move(row));
  result.push_back({.name = kOutside, .is_operation = false, .own = duration - own});
  // Operations first, by time.
  std::ranges::stable_sort(result, [](const Row& a, const Row& b) {
    return a.is_operation != b.is_operation ? a.is_operation : a.own > b.own;
  });
  return result;
}

// Sums up the operations that take the least time.
void shorten(std::vector<Row>& rows) {
  const auto operations =
      static_cast<std::size_t>(std::ranges::count(rows, true, &Row::is_operation));
  if (operations <= kMostRows) return;
  Row others{.name = fmt::format("{} other operations", operations - kMostRows + 1)};
  others.knows_bytes = others.knows_flops = false;
  const auto begin = rows.begin() + kMostRows - 1;
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(operations);
  for (auto row = begin; row != end; ++row) {
    others.count += row->count;
    others.own += row->own;
  }
  rows.insert(rows.erase(begin, end), others);
}

std::string rate(bool is_known, int64_t amount, int64_t ns) {
  if (!is_known || ns <= 0) return "-";
  if (amount == 0) return "0";
  return fmt::format("{:.3g}", static_cast<double>(amount) / static_cast<double>(ns));
}

std::string line_of(const Row& row, int64_t duration) {
  const double share =
      duration > 0 ? 100.0 * static_cast<double>(row.own) / static_cast<double>(duration) : 0;
  const bool counts = row.is_operation;
  std::string line =
      fmt::format("{:<30.30} {:<22.22} {:>8} {:>10.3f} {:>6.1f} % {:>7} {:>8}", row.name,
                  row.phase.empty() ? "-" : row.phase, counts ? std::to_string(row.count) : "",
                  static_cast<double>(row.own) / 1e6, share,
                  counts ? rate(row.knows_bytes, row.bytes, row.own) : "",
                  counts ? rate(row.knows_flops, row.flops, row.own) : "");
  line.resize(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string text_of(Block block) {
  std::string text = fmt::format("{:<30} {:<22} {:>8} {:>10} {:>8} {:>7} {:>8}\n", block.title,
                                 "in", "count", "ms", "share", "GB/s", "GFLOP/s");
  shorten(block.rows);
  for (const Row& row : block.rows) text += line_of(row, block.duration);
  return text;
}

std::vector<Block> blocks_of(const Recorded& recorded) {
  std::vector<Block> blocks;
  const auto add = [&](const std::string& title, const std::vector<const Track*>& tracks) {
    const int64_t duration = recorded.duration * std::ssize(tracks);
    blocks.push_back({title, duration, rows_of(tracks, duration)});
  };
  std::vector<const Track*> others;
  for (const Track& track : recorded.tracks) {
    if (track.kind == Track::Kind::training_thread) add(track.name, {&track});
    if (track.kind == Track::Kind::other_thread) others.push_back(&track);
  }
  if (!others.empty()) {
    add(others.size() == 1 ? "1 other thread" : fmt::format("{} other threads", others.size()),
        others);
  }
  for (const Track& track : recorded.tracks)
    if (track.kind == Track::Kind::stream) add(track.name, {&track});
  return blocks;
}

}  // namespace

std::string table_of(const Recorded& recorded, int rank, int ranks) {
  const auto& steps = recorded.steps;
  std::string text = "profile of ";
  if (steps.empty()) return text + "no steps\n";
  text += steps.size() == 1
              ? fmt::format("step {}", steps.front().number)
              : fmt::format("steps {} to {}", steps.front().number, steps.back().number);
  text +=
      fmt::format(": {:.3f} ms per step, rank {} of {}\n",
                  static_cast<double>(recorded.duration) / 1e6 / static_cast<double>(steps.size()),
                  rank, ranks);
  for (Block& block : blocks_of(recorded)) text += "\n" + text_of(std::move(block));
  text += "\nms: in total, without the operations within. -: not counted (unknown).\n";
  if (recorded.reached_limit)
    text += "The recording ended early, at its limit of events, within the last of these steps.\n";
  if (recorded.untimed > 0)
    text += fmt::format("{} operations on the GPU were not measured there.\n", recorded.untimed);
  return text;
}

}  // namespace ripieno::profiles
