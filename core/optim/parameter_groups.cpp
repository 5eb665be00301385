#include "ripieno/core/optim/parameter_groups.h"

#include <algorithm>
#include <utility>

#include "ripieno/core/arena/name_pattern.h"
#include "ripieno/core/error.h"
#include "ripieno/core/optim/device_value.h"
#include "ripieno/core/optim/option_check.h"

namespace ripieno::optim {
namespace {

using kernels::ParameterSegment;

bool is_matrix(const ArenaLayout::Entry& entry) { return entry.shape.rank() >= 2; }

bool continues(const ParameterSegment& before, const ParameterSegment& next) {
  return before.end == next.begin && before.weight_decay == next.weight_decay &&
         before.learning_rate_factor == next.learning_rate_factor;
}

// Appends the segments within `range`, with offsets from its begin.
void append_within(std::vector<ParameterSegment>& segments,
                   const std::vector<ParameterSegment>& all, const ElementRange& range) {
  for (ParameterSegment segment : all) {
    segment.begin = std::max(segment.begin, range.begin) - range.begin;
    segment.end = std::min(segment.end, range.end) - range.begin;
    if (segment.begin < segment.end) segments.push_back(segment);
  }
}

}  // namespace

ParameterPredicate named(std::string pattern) {
  return [pattern = std::move(pattern)](const ArenaLayout::Entry& entry) {
    return matches(pattern, entry.name);
  };
}

ParameterGroups::ParameterGroups(std::vector<ParameterGroup> groups, double weight_decay,
                                 ParameterPredicate decays)
    : groups_(std::move(groups)), weight_decay_(weight_decay), decays_(std::move(decays)) {
  if (!decays_) decays_ = is_matrix;
  for (const ParameterGroup& group : groups_) {
    if (!group.selects)
      throw ConfigurationError("optimizer: a parameter group has no predicate; set its `selects`");
    require_not_negative("optimizer", "a group's learning_rate_factor", group.learning_rate_factor);
    if (group.weight_decay)
      require_not_negative("optimizer", "a group's weight_decay", *group.weight_decay);
  }
}

ParameterGroups::Settings ParameterGroups::of(const ArenaLayout::Entry& entry) const {
  const double usual = decays_(entry) ? weight_decay_ : 0.0;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const ParameterGroup& group = groups_[i];
    if (!group.selects(entry)) continue;
    return {group.weight_decay.value_or(usual), group.learning_rate_factor, static_cast<int>(i)};
  }
  return {.weight_decay = usual};
}

std::vector<ParameterSegment> ParameterGroups::segments(const Parameters& parameters) const {
  std::vector<ParameterSegment> segments;
  const auto& entries = parameters.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!parameters.tensors()[i].requires_gradient()) continue;
    const int64_t end =
        i + 1 < entries.size() ? entries[i + 1].offset : parameters.layout().elements();
    const Settings settings = of(entries[i]);
    const ParameterSegment next{entries[i].offset, end, static_cast<float>(settings.weight_decay),
                                static_cast<float>(settings.learning_rate_factor)};
    if (!segments.empty() && continues(segments.back(), next)) {
      segments.back().end = end;
    } else {
      segments.push_back(next);
    }
  }
  return segments;
}

void SegmentTable::write(const std::vector<ParameterSegment>& all,
                         const std::vector<ElementRange>& ranges, Device device) {
  std::vector<ParameterSegment> segments;
  first_.assign(1, 0);
  for (const ElementRange& range : ranges) {
    append_within(segments, all, range);
    first_.push_back(static_cast<int64_t>(segments.size()));
  }
  segments_ = on_device(device, segments);
}

const ParameterSegment* SegmentTable::of(std::size_t range) const {
  return static_cast<const ParameterSegment*>(segments_.raw_data()) + first_[range];
}

}  // namespace ripieno::optim
