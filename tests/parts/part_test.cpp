// Verifies every case of every part: against values of an independent implementation for each
// element type, on the CPU and on a GPU; against finite differences; with inputs that are not
// dense.
#include "parts/part.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "parts/reference_values.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/reduce.h"
#include "support/gpu_test.h"

namespace ripieno::testing {
namespace {

struct NamedCase {
  std::string list;
  Part part;
  Case which;
};

std::vector<NamedCase> cases_of(const PartList& list) {
  std::vector<NamedCase> cases;
  for (const Part& part : list.parts) {
    for (const Case& which : part.cases) cases.push_back({list.name, part, which});
  }
  return cases;
}

std::string name_of(const NamedCase& named) {
  std::string name = named.part.name + "_" + named.which.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

// Relative to the largest value of a tensor, or to 1.
double tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 1e-10;
    case DType::float32:
      return 1e-5;
    case DType::float16:
      return 0.004;
    default:
      return 0.03;
  }
}

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(to_string(actual.shape()), to_string(expected.shape())) << what;
  const auto numbers = actual.to_vector<double>(), wanted = expected.to_vector<double>();
  double largest = 1.0;
  for (const double x : wanted) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (std::isnan(wanted[i])) {
      ASSERT_TRUE(std::isnan(numbers[i])) << what << ", element " << i << ": " << numbers[i];
    } else if (std::isinf(wanted[i])) {
      ASSERT_EQ(numbers[i], wanted[i]) << what << ", element " << i;
    } else {
      ASSERT_NEAR(numbers[i], wanted[i], tolerance * largest) << what << ", element " << i;
    }
  }
}

// The same elements, with strides of another order.
Tensor not_dense(const Tensor& x) {
  if (x.rank() == 0 || x.elements() < 2) return x;
  if (x.rank() > 1) return x.transpose(0, -1).clone().transpose(0, -1);
  const Tensor pairs = x.reshape({x.size(0), 1}).expand({x.size(0), 2}).clone();
  return pairs.slice(1, 0, 1).reshape({x.size(0)});
}

Tensors converted(const Tensors& tensors, DType dtype, Device device) {
  Tensors results;
  for (const Tensor& x : tensors) {
    results.push_back((is_floating_point(x.dtype()) ? x.to(dtype) : x).to(device));
  }
  return results;
}

struct Results {
  Tensors outputs, gradients;
};

// Calls the case with these inputs, and computes the gradients of the floating-point ones.
Results results_of(const Case& which, const Tensors& inputs, const Tensors& seeds) {
  Tensors leaves;
  for (const Tensor& x : inputs) {
    leaves.push_back(x.detach());
    if (!seeds.empty() && is_floating_point(x.dtype())) leaves.back().set_requires_gradient();
  }
  Results results{which.call(leaves), {}};
  if (seeds.empty()) return results;
  Tensor total;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    if (!results.outputs[i].requires_gradient()) continue;
    const Tensor seed = seeds[i].to(results.outputs[i].dtype());  // losses are not 16-bit
    const Tensor term = sum(results.outputs[i] * seed).to(DType::float64);
    total = total.defined() ? total + term : term;
  }
  if (total.defined()) total.backward();
  for (const Tensor& leaf : leaves) {
    if (!is_floating_point(leaf.dtype())) continue;
    const Tensor gradient = leaf.gradient();
    results.gradients.push_back(
        gradient.defined() ? gradient : Tensor::zeros(leaf.shape(), leaf.dtype(), leaf.device()));
  }
  return results;
}

void expect_reference(const NamedCase& named, DType dtype, Device device) {
  const ReferenceValues reference = read_reference(named.list, named.part.name, named.which.name);
  const Results results = results_of(named.which, converted(reference.inputs, dtype, device),
                                     converted(reference.seeds, dtype, device));
  const double tolerance = tolerance_of(dtype) * named.which.tolerance;
  ASSERT_EQ(results.outputs.size(), reference.outputs.size());
  for (std::size_t i = 0; i < reference.outputs.size(); ++i) {
    expect_near(results.outputs[i], reference.outputs[i], tolerance, "output " + std::to_string(i));
  }
  if (reference.seeds.empty()) return;
  ASSERT_EQ(results.gradients.size(), reference.gradients.size());
  for (std::size_t i = 0; i < reference.gradients.size(); ++i) {
    expect_near(results.gradients[i], reference.gradients[i], tolerance,
                "gradient " + std::to_string(i));
  }
}

std::vector<DType> types_of(const NamedCase& named) {
  std::vector<DType> types = named.part.types;
  if (!named.which.small_types) {
    std::erase_if(types, [](DType type) { return size_of(type) < 4 && is_floating_point(type); });
  }
  return types;
}

class PartOnTheCpu : public ::testing::TestWithParam<NamedCase> {};

TEST_P(PartOnTheCpu, EqualsTheReferenceInEveryType) {
  for (const DType dtype : types_of(GetParam())) {
    SCOPED_TRACE(std::string(ripieno::name_of(dtype)));
    expect_reference(GetParam(), dtype, Device::cpu());
  }
}

TEST_P(PartOnTheCpu, HasTheGradientOfFiniteDifferences) {
  const NamedCase& named = GetParam();
  const ReferenceValues reference = read_reference(named.list, named.part.name, named.which.name);
  if (!named.which.finite_differences || reference.seeds.empty()) GTEST_SKIP() << "no gradient";
  Tensors varied;
  for (const Tensor& x : reference.inputs) {
    if (is_floating_point(x.dtype())) varied.push_back(x.clone());
  }
  const auto function = [&](const Tensors& x) {
    Tensors inputs;
    std::size_t next = 0;
    for (const Tensor& input : reference.inputs) {
      inputs.push_back(is_floating_point(input.dtype()) ? x[next++] : input);
    }
    Tensors outputs = named.which.call(inputs);
    std::erase_if(outputs, [](const Tensor& y) { return !is_floating_point(y.dtype()); });
    return outputs;
  };
  const std::function<Tensors(const Tensors&)> checked = function;
  EXPECT_LT(gradient_check(checked, varied), 1e-6);
}

TEST_P(PartOnTheCpu, AcceptsInputsThatAreNotDense) {
  const NamedCase& named = GetParam();
  const ReferenceValues reference = read_reference(named.list, named.part.name, named.which.name);
  Tensors strided;
  for (const Tensor& x : reference.inputs) strided.push_back(not_dense(x));
  const DType dtype = named.part.types.front();
  const Results dense = results_of(named.which, converted(reference.inputs, dtype, Device::cpu()),
                                   converted(reference.seeds, dtype, Device::cpu()));
  const Results other = results_of(named.which, converted(strided, dtype, Device::cpu()),
                                   converted(reference.seeds, dtype, Device::cpu()));
  for (std::size_t i = 0; i < dense.outputs.size(); ++i) {
    expect_near(other.outputs[i], dense.outputs[i], 1e-12, "output " + std::to_string(i));
  }
  for (std::size_t i = 0; i < dense.gradients.size(); ++i) {
    expect_near(other.gradients[i], dense.gradients[i], 1e-12, "gradient " + std::to_string(i));
  }
}

class PartOnAGpu : public GpuTest, public ::testing::WithParamInterface<NamedCase> {};

TEST_P(PartOnAGpu, EqualsTheReferenceInEveryType) {
  if (!GetParam().part.on_gpu) GTEST_SKIP() << "runs on the host";
  for (const DType dtype : types_of(GetParam())) {
    SCOPED_TRACE(std::string(ripieno::name_of(dtype)));
    expect_reference(GetParam(), dtype, Device::cuda());
  }
}

std::vector<NamedCase> all_cases() {
  std::vector<NamedCase> cases;
  for (const PartList& list : all_parts()) {
    for (NamedCase& named : cases_of(list)) cases.push_back(std::move(named));
  }
  return cases;
}

std::string parameter_name(const ::testing::TestParamInfo<NamedCase>& info) {
  return name_of(info.param);
}

INSTANTIATE_TEST_SUITE_P(All, PartOnTheCpu, ::testing::ValuesIn(all_cases()), parameter_name);
INSTANTIATE_TEST_SUITE_P(All, PartOnAGpu, ::testing::ValuesIn(all_cases()), parameter_name);

}  // namespace
}  // namespace ripieno::testing
