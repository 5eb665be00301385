// An operation of one's own, of seven inputs and three outputs: scale (a x b).
#include <cstdio>

#include "ripieno/ripieno.h"

using namespace ripieno;
using Tensors = std::vector<Tensor>;

Tensors cross(const Tensors& a, const Tensors& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// in: the three parts of a, those of b, and scale, all of one shape
Tensors scaled_cross(const Tensors& in) {
  Tensors out = cross({in[0], in[1], in[2]}, {in[3], in[4], in[5]});
  for (Tensor& part : out) part = (in[6] * part).detach();
  const std::vector<autograd::Saved> saved(in.begin(), in.end());
  autograd::record("scaled_cross", out, in, [saved](std::span<Tensor> grad_out, auto& gradients) {
    const Tensors a = {*saved[0], *saved[1], *saved[2]}, b = {*saved[3], *saved[4], *saved[5]};
    Tensors g(grad_out.begin(), grad_out.end());
    for (Tensor& part : g) part = part.defined() ? part : a[0] * 0.0;  // nothing used the output
    const Tensors b_g = cross(b, g);
    auto give = [&, input = 0](const Tensor& gradient) mutable {
      if (gradients.wanted(input)) gradients.add(input, gradient);
      ++input;
    };
    for (const Tensor& part : b_g) give(*saved[6] * part);
    for (const Tensor& part : cross(g, a)) give(*saved[6] * part);
    give(a[0] * b_g[0] + a[1] * b_g[1] + a[2] * b_g[2]);
  });
  return out;
}

int main() {
  Tensors in;
  for (uint64_t i = 0; i < 7; ++i)
    fill_normal(in.emplace_back(Shape{5}, DType::float64), 0.0, 1.0, {.seed = i});
  std::printf("off by %.0e\n", gradient_check(scaled_cross, in));
}
