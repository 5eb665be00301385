// Compares the gradients of soft_cap with finite differences and, if there is a GPU, its results
// there with those of the CPU.
#include <ripieno/ripieno.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "soft_cap.h"

using namespace ripieno;

constexpr double kCap = 2.0;

// The values of soft_cap and the gradients of their sum, computed on `device`.
std::vector<double> results_on(Device device, const Tensor& x) {
  const Tensor in = x.clone().to(device).set_requires_gradient();
  const Tensor out = soft_cap(in, kCap);
  sum(out).backward();
  auto results = out.to_vector<double>();
  const auto gradients = in.gradient().to_vector<double>();
  results.insert(results.end(), gradients.begin(), gradients.end());
  return results;
}

int check(int argc, char** argv) {
  Session session(argc, argv);
  Tensor x({100'001}, DType::float64);
  fill_normal(x, 0.0, 3.0, {.seed = 1});
  const auto expected = results_on(Device::cpu(), x), found = results_on(session.device(), x);
  double difference = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    difference = std::max(difference, std::abs(found[i] - expected[i]));

  const auto of_one_input = [](const std::vector<Tensor>& in) { return soft_cap(in[0], kCap); };
  std::printf("largest error of the gradients: %.0e\n",
              gradient_check(of_one_input, {x.slice(0, 0, 33).clone()}));
  std::printf("largest difference of %s from cpu: %.0e\n", to_string(session.device()).c_str(),
              difference);
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return check(argc, argv); });
}
