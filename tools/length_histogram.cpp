#include "ripieno/tools/length_histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ripieno/io/run/progress.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools {

void LengthHistogram::add(int64_t length) {
  least_ = count_ == 0 ? length : std::min(least_, length);
  most_ = std::max(most_, length);
  total_ += static_cast<double>(length);
  ++count_;
  ++counts_[static_cast<std::size_t>(std::bit_width(static_cast<uint64_t>(length)))];
}

LengthHistogram::Class LengthHistogram::bounds(std::size_t index) {
  if (index == 0) return {0, 0};
  const int64_t from = int64_t{1} << (index - 1);
  return {from, 2 * (from - 1) + 1};
}

std::string LengthHistogram::text(std::string_view unit) const {
  constexpr double kBar = 30;  // characters of the longest bar
  const auto largest = *std::max_element(counts_.begin(), counts_.end());
  Table table("rlrl");
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const auto [from, to] = bounds(i);
    const auto bar = static_cast<std::size_t>(
        std::ceil(kBar * static_cast<double>(counts_[i]) / static_cast<double>(largest)));
    table.add(
        {io::with_thousands(from),
         from == to ? std::string(unit) : fmt::format("to {} {}", io::with_thousands(to), unit),
         io::with_thousands(counts_[i]), std::string(bar, '#')});
  }
  return table.text(2);
}

nlohmann::json LengthHistogram::json() const {
  nlohmann::json classes = nlohmann::json::array();
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const auto [from, to] = bounds(i);
    classes.push_back({{"from", from}, {"to", to}, {"documents", counts_[i]}});
  }
  return classes;
}

}  // namespace ripieno::tools
