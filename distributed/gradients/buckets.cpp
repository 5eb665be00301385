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

std::string name_of(const Bucket& bucket, const ArenaLayout& layout) {
  const auto& first = layout.entries()[bucket.first_entry].name;
  const auto& last = layout.entries()[bucket.entries_end - 1].name;
  return first == last ? first : first + " to " + last;
}

}  // namespace ripieno::distributed
