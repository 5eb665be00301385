#include "ripieno/distributed/gradients/buckets.h"

namespace ripieno::distributed {

std::vector<Bucket> buckets_of(const ArenaLayout& layout, std::size_t bytes_of_element,
                               std::size_t bytes) {
  std::vector<Bucket> buckets;
  const auto& entries = layout.entries();
  int64_t end = layout.elements();
  std::size_t entries_end = entries.size();
  for (std::size_t i = entries.size(); i-- > 0;) {
    const int64_t begin = entries[i].offset;
    if (i > 0 && static_cast<std::size_t>(end - begin) * bytes_of_element < bytes) continue;
    buckets.push_back({begin, end, i, entries_end});
    end = begin;
    entries_end = i;
  }
  return buckets;
}

bool update_trainable(std::vector<bool>& trains, const Parameters& parameters) {
  bool changed = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool now = parameters.tensors()[i].requires_gradient();
    changed = changed || trains[i] != now;
    trains[i] = now;
  }
  return changed;
}

std::vector<Bucket> runs_of(const Bucket& bucket, const ArenaLayout& layout,
                            const std::vector<bool>& trains) {
  const auto& entries = layout.entries();
  std::vector<Bucket> runs;
  for (auto entry = bucket.first_entry; entry < bucket.entries_end; ++entry) {
    if (!trains[entry]) continue;
    const int64_t end = entry + 1 < bucket.entries_end ? entries[entry + 1].offset : bucket.end;
    if (!runs.empty() && runs.back().entries_end == entry) {
      runs.back().end = end;
      runs.back().entries_end = entry + 1;
    } else {
      runs.push_back({entries[entry].offset, end, entry, entry + 1});
    }
  }
  return runs;
}

std::string name_of(const Bucket& bucket, const ArenaLayout& layout) {
  const auto& first = layout.entries()[bucket.first_entry].name;
  const auto& last = layout.entries()[bucket.entries_end - 1].name;
  return first == last ? first : first + " to " + last;
}

}  // namespace ripieno::distributed
