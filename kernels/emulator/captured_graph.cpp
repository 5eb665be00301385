#include "ripieno/kernels/emulator/captured_graph.h"

#include <algorithm>
#include <utility>

namespace ripieno::simt {

std::size_t Graph::index_of(const CUstream_st* stream) {
  const auto found = std::find_if(lines_.begin(), lines_.end(),
                                  [&](const Line& line) { return line.stream == stream; });
  const auto index = static_cast<std::size_t>(found - lines_.begin());
  if (found == lines_.end()) lines_.push_back({stream, {}});
  return index;
}

void Graph::add(const CUstream_st* stream, Launch launch) {
  line(stream).work.push_back({.launch = std::move(launch)});
}

void Graph::wait(const CUstream_st* stream, const CUstream_st* other, std::size_t position) {
  const std::size_t index = index_of(other);
  line(stream).work.push_back({.launch = {}, .other = index, .position = position});
}

// Visits the work of a line up to `position`, and before each wait that of the other line. Ends,
// and returns false, if visit_work(line, operation) does.
template <typename Visit>
bool Graph::visit(std::vector<std::size_t>& done, std::size_t index, std::size_t position,
                  const Visit& visit_work) const {
  for (; done[index] < position; ++done[index]) {
    const Operation& next = lines_[index].work[done[index]];
    const bool is_done = next.launch ? visit_work(index, done[index])
                                     : visit(done, next.other, next.position, visit_work);
    if (!is_done) return false;
  }
  return true;
}

bool Graph::is_joined() const {
  if (lines_.empty()) return true;
  std::vector<std::size_t> reached(lines_.size());
  visit(reached, 0, lines_[0].work.size(), [](std::size_t, std::size_t) { return true; });
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (reached[i] < lines_[i].work.size()) return false;
  }
  return true;
}

std::size_t Graph::operations() const {
  std::size_t count = 0;
  for (const Line& line : lines_) {
    count += static_cast<std::size_t>(std::count_if(
        line.work.begin(), line.work.end(), [](const auto& each) { return bool(each.launch); }));
  }
  return count;
}

Graph::Work Graph::launch(const std::shared_ptr<const Graph>& graph) {
  Run run{.done = std::vector<std::size_t>(graph->lines_.size()), .work = {}};
  for (const Line& line : graph->lines_) {
    auto& work = run.work.emplace_back();
    for (const Operation& each : line.work) work.push_back(each.launch ? each.launch() : Work());
  }
  return [graph, run = std::move(run)]() mutable {
    return graph->lines_.empty() ||
           graph->visit(run.done, 0, graph->lines_[0].work.size(),
                        [&](std::size_t line, std::size_t i) { return run.work[line][i](); });
  };
}

}  // namespace ripieno::simt
