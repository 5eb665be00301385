// NotFinite: counts the NaN and infinite elements of tensors, and lists them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "ripieno/core/tensor.h"

namespace ripieno::tools {

class NotFinite {
 public:
  // Adds to the count of `tensor`, which is a kind and a name: "parameter blocks.0.weight".
  void add(const std::string& tensor, int64_t count);
  // Counts those in `values`, which is contiguous and on the CPU.
  void scan(const std::string& tensor, const Tensor& values);

  bool empty() const { return counts_.empty(); }
  // One line per tensor that has any: "parameter blocks.0.weight: 3 elements are NaN or infinite".
  std::string text() const;

 private:
  std::map<std::string, int64_t> counts_;
};

}  // namespace ripieno::tools
