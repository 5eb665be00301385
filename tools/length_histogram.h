// LengthHistogram: how long the documents of a data set are, in classes from one power of two to
// the next.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ripieno/io/files/json.h"

namespace ripieno::tools {

class LengthHistogram {
 public:
  void add(int64_t length);

  int64_t count() const { return count_; }
  int64_t least() const { return least_; }
  int64_t most() const { return most_; }
  double mean() const { return count_ == 0 ? 0 : total_ / static_cast<double>(count_); }

  // A line per class, with a bar; `unit`: "tokens".
  std::string text(std::string_view unit) const;
  // [{"from": 4, "to": 7, "documents": 12}, …]
  nlohmann::json json() const;

 private:
  struct Class {
    int64_t from, to;
  };
  static Class bounds(std::size_t index);

  std::array<int64_t, 64> counts_{};  // of 0, 1, 2 and 3, 4 to 7, …
  int64_t count_ = 0, least_ = 0, most_ = 0;
  double total_ = 0;
};

}  // namespace ripieno::tools
