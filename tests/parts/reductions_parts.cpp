#include <limits>

#include "parts/cases.h"
#include "parts/part.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno::testing {
namespace {

using Reduce = std::function<Tensor(const Tensor&, const Axes&, bool)>;
using ReduceAll = Tensor (*)(const Tensor&);

Case along(std::string name, const Reduce& function, const Axes& axes, bool keep = false) {
  return of_one(std::move(name), [=](const Tensor& x) { return function(x, axes, keep); });
}

// The cases that every reduction has, and those that are named.
Part reduction(const char* name, const Reduce& function, ReduceAll all,
               const std::vector<std::string>& more = {}) {
  Part part{
      name,
      PartKind::operation,
      {along("last_axis", function, -1), along("first_axis", function, 0),
       along("middle_kept", function, 1, true), along("adjacent_axes", function, {1, 2}),
       along("outer_axes", function, {0, 2}), along("outer_axes_kept", function, {-1, 0}, true),
       along("all_axes", function, {0, 1, 2}), of_one("all", all), along("special", function, 1)}};
  for (const std::string& which : more) {
    if (which == "no_axes") {
      part.cases.push_back(along(which, function, {}));
    } else if (which == "long") {
      part.cases.push_back(of_one(which, all));
    } else {
      part.cases.push_back(along(which, function, 1));
    }
  }
  return part;
}

Reduce norm_of(double p) {
  return [=](const Tensor& x, const Axes& axes, bool keep) { return norm(x, axes, p, keep); };
}
Reduce var_of(double correction) {
  return
      [=](const Tensor& x, const Axes& axes, bool keep) { return var(x, axes, correction, keep); };
}
Reduce deviation_of(double correction) {
  return [=](const Tensor& x, const Axes& axes, bool keep) {
    return standard_deviation(x, axes, correction, keep);
  };
}

// A product of 33 numbers up to 2 exceeds float16.
Part with_large_results(Part part) {
  for (Case& which : part.cases) {
    which.small_types = which.name == "adjacent_axes" || which.name == "one_zero";
  }
  return part;
}

std::vector<Part> of_floating_point() {
  const Reduce of_sum = [](const Tensor& x, const Axes& axes, bool keep) {
    return sum(x, axes, keep);
  };
  const Reduce of_mean = [](const Tensor& x, const Axes& a, bool keep) { return mean(x, a, keep); };
  const Reduce of_max = [](const Tensor& x, const Axes& a, bool keep) { return max(x, a, keep); };
  const Reduce of_min = [](const Tensor& x, const Axes& a, bool keep) { return min(x, a, keep); };
  const Reduce of_product = [](const Tensor& x, const Axes& a, bool keep) {
    return product(x, a, keep);
  };
  std::vector<Part> parts = {
      reduction("sum", of_sum, sum, {"one_element", "empty_axis", "no_output", "no_axes", "long"}),
      reduction("mean", of_mean, mean, {"one_element", "empty_axis", "no_axes"}),
      reduction("max", of_max, max, {"one_element", "no_output", "no_axes"}),
      reduction("min", of_min, min, {"one_element"}),
      with_large_results(
          reduction("product", of_product, product,
                    {"one_element", "empty_axis", "no_output", "no_axes", "one_zero"})),
      reduction("var", var_of(1.0), var),
      reduction("standard_deviation", deviation_of(1.0), standard_deviation),
      reduction("norm", norm_of(2.0), norm, {"one_element", "empty_axis", "no_axes", "long"}),
      reduction("logsumexp", logsumexp,
                [](const Tensor& x) {
                  return logsumexp(x, {0, 1});
                },
                {"one_element", "empty_axis", "no_axes", "large"}),
  };
  for (Part& part : parts) {
    std::vector<Case>& cases = part.cases;
    if (part.name == "var") {
      cases.push_back(along("correction_0", var_of(0.0), 1));
      cases.push_back(without_small_types(along("far_from_zero", var_of(1.0), 1)));
      cases.push_back(along("one_element", var_of(0.0), 1));
    } else if (part.name == "standard_deviation") {
      cases.push_back(along("correction_0", deviation_of(0.0), 1));
    } else if (part.name == "norm") {
      cases.push_back(along("p_1.0", norm_of(1.0), 1));
      cases.push_back(along("p_3.0", norm_of(3.0), 1));
      cases.push_back(without_small_types(along("p_0.5", norm_of(0.5), 1)));
      cases.push_back(along("p_inf", norm_of(std::numeric_limits<double>::infinity()), 1));
      cases.push_back(along("p_3.0_two_axes", norm_of(3.0), {0, 2}, true));
      cases.push_back(with_kinks(along("of_zero", norm_of(2.0), 1)));
    }
  }
  return parts;
}

Part truth_part(const char* name, const Reduce& function, ReduceAll all) {
  return {name,
          PartKind::operation,
          {along("last_axis", function, 1), of_one("everything", all), along("empty", function, 1),
           along("integers", function, 0)}};
}

Part integer_reduction(const char* name, const Reduce& function) {
  return integer_part(name, {along("int64", function, 1), along("uint8", function, 0)},
                      {DType::int64, DType::uint8});
}

}  // namespace

PartList reductions_parts() {
  PartList list{"reductions", of_floating_point()};
  const auto add = [&](Part part) { list.parts.push_back(std::move(part)); };
  add(truth_part(
      "any", [](const Tensor& x, const Axes& a, bool keep) { return any(x, a, keep); }, any));
  add(truth_part(
      "all", [](const Tensor& x, const Axes& a, bool keep) { return all(x, a, keep); }, all));
  add(integer_reduction("integer_sum",
                        [](const Tensor& x, const Axes& a, bool keep) { return sum(x, a, keep); }));
  add(integer_reduction("integer_product", [](const Tensor& x, const Axes& a, bool keep) {
    return product(x, a, keep);
  }));
  add(integer_reduction("integer_max",
                        [](const Tensor& x, const Axes& a, bool keep) { return max(x, a, keep); }));
  add(integer_reduction("integer_min",
                        [](const Tensor& x, const Axes& a, bool keep) { return min(x, a, keep); }));
  return list;
}

}  // namespace ripieno::testing
