#include <limits>

#include "parts/cases.h"
#include "parts/part.h"
#include "ripieno/core/ops/functions.h"

namespace ripieno::testing {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Part unary_part(const char* name, Unary function, bool special = true) {
  std::vector<Case> cases = {of_one("odd_size", function), of_one("matrix", function),
                             of_one("one_element", function), of_one("empty", function)};
  if (special) cases.push_back(of_one("special", function));
  return {name, PartKind::operation, cases};
}

Part binary_part(const char* name, Binary function, std::vector<Case> more = {}) {
  std::vector<Case> cases = {of_two("same_shape", function), of_two("broadcast_row", function),
                             of_two("broadcast_both", function), of_two("scalar", function),
                             of_two("empty", function)};
  cases.insert(cases.end(), more.begin(), more.end());
  return {name, PartKind::operation, cases};
}

Part comparison_part(const char* name, Binary function, std::vector<Case> more = {}) {
  std::vector<Case> cases = {of_two("same_shape", function), of_two("broadcast", function),
                             of_two("special", function), of_two("empty", function),
                             of_two("integers", function)};
  cases.insert(cases.end(), more.begin(), more.end());
  return {name, PartKind::operation, cases};
}

template <typename WithNumber>
Part integer_binary_part(const char* name, Binary function, WithNumber with_number) {
  return integer_part(name,
                      {of_two("int64", function), of_two("int32", function),
                       of_two("uint8", function), of_one("number", with_number)},
                      {DType::int64, DType::int32, DType::uint8});
}

std::vector<Part> functions() {
  return {unary_part("abs", abs),
          unary_part("sign", sign, false),
          unary_part("floor", floor),
          unary_part("ceil", ceil),
          unary_part("round", round),
          unary_part("truncate", truncate),
          unary_part("exp", exp),
          unary_part("exp2", exp2),
          unary_part("expm1", expm1),
          unary_part("log", log),
          unary_part("log1p", log1p),
          unary_part("log2", log2),
          unary_part("log10", log10),
          unary_part("sqrt", sqrt),
          unary_part("rsqrt", rsqrt),
          unary_part("square", square),
          unary_part("reciprocal", reciprocal),
          unary_part("negate", [](const Tensor& x) { return -x; }),
          unary_part("sin", sin),
          unary_part("cos", cos),
          unary_part("tan", tan),
          unary_part("asin", asin),
          unary_part("acos", acos),
          unary_part("atan", atan),
          unary_part("sinh", sinh),
          unary_part("cosh", cosh),
          unary_part("tanh", tanh),
          unary_part("asinh", asinh),
          unary_part("acosh", acosh),
          unary_part("atanh", atanh),
          unary_part("erf", erf),
          unary_part("erfc", erfc)};
}

// The quotients of a scalar include whole numbers, where the remainder has a step.
Part with_steps(Part part) {
  for (Case& which : part.cases) which.finite_differences = which.name != "scalar";
  return part;
}

std::vector<Part> functions_of_two() {
  const Binary add = [](const Tensor& a, const Tensor& b) { return a + b; };
  const Binary subtract = [](const Tensor& a, const Tensor& b) { return a - b; };
  const Binary multiply = [](const Tensor& a, const Tensor& b) { return a * b; };
  const Binary divide = [](const Tensor& a, const Tensor& b) { return a / b; };
  const Binary power = [](const Tensor& a, const Tensor& b) { return pow(a, b); };
  const Binary greatest = [](const Tensor& a, const Tensor& b) { return maximum(a, b); };
  const Binary least = [](const Tensor& a, const Tensor& b) { return minimum(a, b); };
  const Binary rest = [](const Tensor& a, const Tensor& b) { return remainder(a, b); };
  const Binary c_rest = [](const Tensor& a, const Tensor& b) { return fmod(a, b); };
  const auto raised = [](const char* name, double exponent) {
    return of_one(name, [=](const Tensor& x) { return pow(x, exponent); });
  };
  return {
      binary_part(
          "add", add,
          {of_two("special", add), of_one("number", [](const Tensor& x) { return x + 1.5; })}),
      binary_part(
          "subtract", subtract,
          {of_two("special", subtract), of_one("number", [](const Tensor& x) { return 1.5 - x; })}),
      binary_part(
          "multiply", multiply,
          {of_two("special", multiply), of_one("number", [](const Tensor& x) { return x * 1.5; })}),
      binary_part(
          "divide", divide,
          {of_two("special", divide), of_one("number", [](const Tensor& x) { return 1.5 / x; })}),
      binary_part("maximum", greatest,
                  {of_two("special", greatest),
                   of_one("number", [](const Tensor& x) { return maximum(x, 0.25); })}),
      binary_part("minimum", least,
                  {of_two("special", least),
                   of_one("number", [](const Tensor& x) { return minimum(x, 0.25); })}),
      binary_part(
          "pow", power,
          {raised("exponent_0.0", 0.0), raised("exponent_0.5", 0.5), raised("exponent_2.0", 2.0),
           raised("exponent_3.0", 3.0), raised("exponent_-1.5", -1.5), raised("negative_base", 3.0),
           of_one("number_as_base", [](const Tensor& x) { return pow(2.5, x); })}),
      binary_part("atan2", atan2, {of_two("special", atan2)}),
      with_steps(
          binary_part("remainder", rest,
                      {of_one("signs", [](const Tensor& x) { return remainder(x, -0.75); })})),
      with_steps(binary_part("fmod", c_rest,
                             {of_one("signs", [](const Tensor& x) { return fmod(x, -0.75); })})),
      {"clamp",
       PartKind::operation,
       {of_one("both", [](const Tensor& x) { return clamp(x, -0.5, 0.75); }),
        of_one("one_side", [](const Tensor& x) { return clamp(x, 0.3, kInfinity); }),
        of_one("special", [](const Tensor& x) { return clamp(x, -0.5, 0.75); })}},
      {"lerp",
       PartKind::operation,
       {of_two("number", [](const Tensor& a, const Tensor& b) { return lerp(a, b, 0.25); }),
        of_three("tensor",
                 [](const Tensor& a, const Tensor& b, const Tensor& w) { return lerp(a, b, w); })}},
  };
}

std::vector<Part> comparisons() {
  const Binary equal = [](const Tensor& a, const Tensor& b) { return a == b; };
  const Binary not_equal = [](const Tensor& a, const Tensor& b) { return a != b; };
  const Binary less = [](const Tensor& a, const Tensor& b) { return a < b; };
  const Binary less_equal = [](const Tensor& a, const Tensor& b) { return a <= b; };
  const Binary greater = [](const Tensor& a, const Tensor& b) { return a > b; };
  const Binary greater_equal = [](const Tensor& a, const Tensor& b) { return a >= b; };
  const auto predicate = [](const char* name, Unary function) {
    return Part{
        name, PartKind::operation, {of_one("special", function), of_one("matrix", function)}};
  };
  const auto choose = [](const Tensor& c, const Tensor& a, const Tensor& b) {
    return where(c, a, b);
  };
  return {
      comparison_part("equal", equal, {of_one("number", [](const Tensor& x) { return x == 1; })}),
      comparison_part("not_equal", not_equal),
      comparison_part("less", less, {of_one("number", [](const Tensor& x) { return x < 0.3; })}),
      comparison_part("less_equal", less_equal),
      comparison_part("greater", greater),
      comparison_part("greater_equal", greater_equal),
      comparison_part("logical_and", logical_and),
      comparison_part("logical_or", logical_or),
      comparison_part("logical_xor", logical_xor),
      {"logical_not", PartKind::operation, {of_one("floating_point", logical_not)}},
      predicate("isnan", isnan),
      predicate("isinf", isinf),
      predicate("isfinite", isfinite),
      {"where",
       PartKind::operation,
       {of_three("same_shape", choose), of_three("broadcast", choose), of_three("empty", choose),
        of_two("number", [](const Tensor& c, const Tensor& a) { return where(c, a, 2.0); })}},
      {"masked_fill",
       PartKind::operation,
       {of_two("broadcast",
               [](const Tensor& x, const Tensor& mask) { return masked_fill(x, mask, -1.5); })}},
      {"cast",
       PartKind::operation,
       {with_kinks(of_one("floating_point", [](const Tensor& x) { return x.to(DType::float32); })),
        of_one("integers", [](const Tensor& x) { return x.to(DType::float64); }),
        of_one("truncates", [](const Tensor& x) { return x.to(DType::int32); })}},
  };
}

std::vector<Part> integers() {
  const auto with = [](auto function) {
    return [function](const Tensor& x) { return function(x, 3); };
  };
  const auto add = [](const auto& a, const auto& b) { return a + b; };
  const auto subtract = [](const auto& a, const auto& b) { return a - b; };
  const auto multiply = [](const auto& a, const auto& b) { return a * b; };
  const auto rest = [](const auto& a, const auto& b) { return remainder(a, b); };
  const auto greatest = [](const auto& a, const auto& b) { return maximum(a, b); };
  const auto least = [](const auto& a, const auto& b) { return minimum(a, b); };
  const auto quotient_by_3 = [](const Tensor& x) {
    return floor_divide(x, Tensor::full({1}, 3, DType::int64, x.device()));
  };
  return {
      integer_binary_part("integer_add", add, with(add)),
      integer_binary_part("integer_subtract", subtract, with(subtract)),
      integer_binary_part("integer_multiply", multiply, with(multiply)),
      integer_binary_part("integer_remainder", rest, with(rest)),
      integer_binary_part("integer_maximum", greatest, with(greatest)),
      integer_binary_part("integer_minimum", least, with(least)),
      integer_binary_part("integer_floor_divide", floor_divide, quotient_by_3),
      integer_part("integer_divide",
                   {of_two("int64", [](const Tensor& a, const Tensor& b) { return a / b; })}),
      integer_part("integer_abs", {of_one("int64", abs)}),
      integer_part("integer_sign", {of_one("int64", sign)}),
      integer_part("integer_negate", {of_one("int64", [](const Tensor& x) { return -x; })}),
      integer_part("integer_clamp",
                   {of_one("int64", [](const Tensor& x) { return clamp(x, -5, 5); })}),
  };
}

}  // namespace

PartList elementwise_parts() {
  PartList list{"elementwise", functions()};
  for (const std::vector<Part>& parts : {functions_of_two(), comparisons(), integers()}) {
    list.parts.insert(list.parts.end(), parts.begin(), parts.end());
  }
  return list;
}

}  // namespace ripieno::testing
