// ParameterGroups: learning rate factors and weight decay per parameter.
//
//   optim::AdamW optimizer(model.parameters(),
//                          {.weight_decay = 0.1,
//                           .groups = {{.selects = optim::named("*.bias"), .weight_decay = 0.0},
//                                      {.selects = optim::named("tokens.*"),
//                                       .learning_rate_factor = 0.1}}});
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

using ParameterPredicate = std::function<bool(const ArenaLayout::Entry&)>;

// Selects parameters whose name matches the pattern (core/arena/name_pattern.h).
ParameterPredicate named(std::string pattern);

// A parameter belongs to the first group that selects it. Settings that a group does not give are
// the optimizer's.
struct ParameterGroup {
  ParameterPredicate selects;
  double learning_rate_factor = 1.0;  // multiplies the (scheduled) learning rate
  std::optional<double> weight_decay = {};
};

class ParameterGroups {
 public:
  // `decays`: which parameters `weight_decay` applies to, unless their group sets a weight decay;
  // by default those with two or more axes (matrices). Throws ConfigurationError for a group
  // without `selects` or with a negative number.
  ParameterGroups(std::vector<ParameterGroup> groups, double weight_decay,
                  ParameterPredicate decays);

  struct Settings {
    double weight_decay = 0.0;
    double learning_rate_factor = 1.0;
    int group = -1;  // index of the group; -1: none
  };
  Settings of(const ArenaLayout::Entry& entry) const;

  // One segment per contiguous range of parameters with the same settings. Frozen parameters are in
  // no segment.
  std::vector<kernels::ParameterSegment> segments(const Parameters& parameters) const;

 private:
  std::vector<ParameterGroup> groups_;
  double weight_decay_;
  ParameterPredicate decays_;
};

// The segments of each range of elements in device memory, with offsets from the range's begin.
class SegmentTable {
 public:
  void write(const std::vector<kernels::ParameterSegment>& all,
             const std::vector<ElementRange>& ranges, Device device);

  const kernels::ParameterSegment* of(std::size_t range) const;
  int64_t count(std::size_t range) const { return first_[range + 1] - first_[range]; }

 private:
  Tensor segments_;
  std::vector<int64_t> first_;  // (ranges + 1)
};

}  // namespace ripieno::optim
