// NotFinite: the numbers of tensors that are NaN or infinite, counted and told.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "ripieno/core/tensor.h"

namespace ripieno::tools {

class NotFinite {
 public:
  // Elements of a tensor, "parameter blocks.0.weight"; those of one add up.
  void add(const std::string& tensor, int64_t count);
  // Dense, on the CPU.
  void look_at(const std::string& tensor, const Tensor& numbers);

  bool empty() const { return counts_.empty(); }
  // A line for each tensor that has some: "parameter blocks.0.weight: 3 elements are NaN or
  // infinite".
  std::string text() const;

 private:
  std::map<std::string, int64_t> counts_;
};

}  // namespace ripieno::tools
