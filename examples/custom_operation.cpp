// A custom differentiable operation with seven inputs and three outputs: scale (a x b).
#include <cstdio>

#include "ripieno/ripieno.h"

using namespace ripieno;
using Tensors = std::vector<Tensor>;

Tensors cross(const Tensors& a, const Tensors& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// in: the three components of a, those of b, and scale; all of the same shape
Tensors scaled_cross(const Tensors& in) {
  Tensors out = cross({in[0], in[1], in[2]}, {in[3], in[4], in[5]});
  for (Tensor& part : out) part = (in[6] * part).detach();
  const std::vector<autograd::Saved> saved(in.begin(), in.end());
  autograd::record("scaled_cross", out, in, [saved](std::span<Tensor> grad_out, auto& gradients) {
    const Tensors a = {*saved[0], *saved[1], *saved[2]}, b = {*saved[3], *saved[4], *saved[5]};
    Tensors g(grad_out.begin(), grad_out.end());
    for (Tensor& part : g) part = part.defined() ? part : a[0] * 0.0;  // the output was unused
    const Tensors bg = cross(b, g), ga = cross(g, a);
    const Tensor s = *saved[6], of_s = a[0] * bg[0] + a[1] * bg[1] + a[2] * bg[2];
    const Tensors all = {s * bg[0], s * bg[1], s * bg[2], s * ga[0], s * ga[1], s * ga[2], of_s};
    for (int input = 0; input < 7; ++input)
      if (gradients.wanted(input)) gradients.add(input, all[input]);
  });
  return out;
}

int main() {
  return run_program([] {
    Tensors in;
    for (uint64_t i = 0; i < 7; ++i)
      fill_normal(in.emplace_back(Shape{5}, DType::float64), 0.0, 1.0, {.seed = i});
    std::printf("largest error of the gradients: %.0e\n", gradient_check(scaled_cross, in));
    return 0;
  });
}
