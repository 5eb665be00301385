// Short forms for the cases of part lists.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "parts/part.h"

namespace ripieno::testing {

// A case that calls function(input_0), or function(input_0, input_1), and so on.
template <typename Function>
Case of_one(std::string name, Function function) {
  return {std::move(name), [function](const Tensors& x) { return Tensors{function(x[0])}; }};
}
template <typename Function>
Case of_two(std::string name, Function function) {
  return {std::move(name), [function](const Tensors& x) { return Tensors{function(x[0], x[1])}; }};
}
template <typename Function>
Case of_three(std::string name, Function function) {
  return {std::move(name),
          [function](const Tensors& x) { return Tensors{function(x[0], x[1], x[2])}; }};
}

// The same case where differences of +-1e-5 cross a kink or a step.
inline Case with_kinks(Case which) {
  which.finite_differences = false;
  return which;
}
// The same case with values or results that 16-bit types cannot hold.
inline Case without_small_types(Case which) {
  which.small_types = false;
  return which;
}

// An operation that computes with integers only: its inputs keep their types.
inline Part integer_part(std::string name, std::vector<Case> cases,
                         std::vector<DType> types = {DType::int64}) {
  Part part{std::move(name), PartKind::operation, std::move(cases)};
  part.types = std::move(types);
  return part;
}

}  // namespace ripieno::testing
