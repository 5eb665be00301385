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

void Graph::add(const CUstream_st* stream, std::function<void()> work) {
  line(stream).work.push_back({.work = std::move(work)});
}

void Graph::wait(const CUstream_st* stream, const CUstream_st* other, std::size_t position) {
  const std::size_t index = index_of(other);
  line(stream).work.push_back({.work = {}, .other = index, .position = position});
}

// Visits the work of a line up to `position`, and before each wait that of the other line.
template <typename Visit>
void Graph::visit(std::vector<std::size_t>& done, std::size_t index, std::size_t position,
                  const Visit& visit_work) const {
  while (done[index] < position) {
    const Operation& next = lines_[index].work[done[index]++];
    if (next.work) {
      visit_work(next.work);
    } else {
      visit(done, next.other, next.position, visit_work);
    }
  }
}

bool Graph::is_joined() const {
  if (lines_.empty()) return true;
  std::vector<std::size_t> reached(lines_.size());
  visit(reached, 0, lines_[0].work.size(), [](const auto&) {});
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (reached[i] < lines_[i].work.size()) return false;
  }
  return true;
}

std::size_t Graph::operations() const {
  std::size_t count = 0;
  for (const Line& line : lines_) {
    count += static_cast<std::size_t>(std::count_if(
        line.work.begin(), line.work.end(), [](const auto& each) { return bool(each.work); }));
  }
  return count;
}

void Graph::run() const {
  if (lines_.empty()) return;
  std::vector<std::size_t> done(lines_.size());
  visit(done, 0, lines_[0].work.size(), [](const auto& work) { work(); });
}

}  // namespace ripieno::simt
