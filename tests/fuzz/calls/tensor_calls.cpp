#include <sstream>

#include "fuzz/calls/program.h"
#include "ripieno/core/add_into.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/losses/mse.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/ops/linear_algebra.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/orthogonal.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/print.h"
#include "ripieno/core/random.h"
#include "ripieno/core/recomputation.h"

namespace ripieno::fuzz {
namespace {

void construct(Program& program) {
  Choice& choice = program.choice;
  const Shape shape = choice.shape();
  switch (choice.below(4)) {
    case 0:
      program.keep(Tensor::zeros(shape, choice.dtype(), choice.device()));
      break;
    case 1:
      program.keep(Tensor::full(shape, choice.number(), choice.dtype(), choice.device()));
      break;
    case 2:
      program.keep(Tensor::of<float>(shape, std::vector<float>(choice.below(30), 1.5f)));
      break;
    case 3:
      program.keep(Tensor::of<int32_t>({5}, {0, 1, 2, choice.below(9) - 2, 3}));
      break;
  }
}

void view(Program& program, const Tensor& x) {
  Choice& choice = program.choice;
  switch (choice.below(7)) {
    case 0: {
      Shape shape = choice.shape();
      if (shape.rank() > 0 && choice.once_in(2)) shape[choice.below(shape.rank())] = -1;
      program.keep(x.reshape(shape));
      break;
    }
    case 1:
      program.keep(x.reshape({-1}));
      break;
    case 2:
      program.keep(x.slice(choice.axis(), choice.count(), choice.count()));
      break;
    case 3:
      program.keep(x.transpose(choice.axis(), choice.axis()));
      break;
    case 4:
      program.keep(x.expand(choice.shape()));
      break;
    case 5:
      program.keep(x.dense());
      break;
    case 6:
      program.keep(x.detach());
      break;
  }
}

void convert(Program& program, const Tensor& x) {
  Choice& choice = program.choice;
  switch (choice.below(3)) {
    case 0:
      program.keep(x.clone());
      break;
    case 1:
      program.keep(x.to(choice.dtype()));
      break;
    case 2:
      program.keep(x.to(choice.device()));
      break;
  }
}

void write(Program& program, Tensor& x) {
  Choice& choice = program.choice;
  switch (choice.below(6)) {
    case 0:
      x.fill(choice.number());
      break;
    case 1:
      x.copy_from(program.any());
      break;
    case 2:
      add_into(x, program.any());
      break;
    case 3:
      fill_uniform(x, choice.number(), choice.number(), {});
      break;
    case 4:
      fill_normal(x, choice.number(), choice.number(), {});
      break;
    case 5:
      fill_orthogonal(x, choice.number(), {});
      break;
  }
}

void inspect(Program& program, const Tensor& x) {
  Choice& choice = program.choice;
  switch (choice.below(7)) {
    case 0:
      x.size(choice.axis());
      break;
    case 1:
      x.item();
      break;
    case 2:
      x.data<double>();
      break;
    case 3:
      x.to_vector<int32_t>();
      break;
    case 4:
      std::ostringstream() << x;
      break;
    case 5:
      describe(x);
      break;
    case 6:
      x.is_exclusive();
      break;
  }
}

kernels::Unary any_unary(Choice& choice) { return static_cast<kernels::Unary>(choice.below(10)); }
Activation any_activation(Choice& choice) { return static_cast<Activation>(choice.below(6)); }

void arithmetic(Program& program, const Tensor& a, const Tensor& b) {
  Choice& choice = program.choice;
  switch (choice.below(8)) {
    case 0:
      program.keep(a + b);
      break;
    case 1:
      program.keep(a - b);
      break;
    case 2:
      program.keep(a * b);
      break;
    case 3:
      program.keep(a / b);
      break;
    case 4:
      program.keep(a * choice.number());
      break;
    case 5:
      program.keep(choice.number() / a);
      break;
    case 6:
      program.keep(-a);
      break;
    case 7:
      program.keep(unary("any", a, any_unary(choice)));
      break;
  }
}

void reduce(Program& program, const Tensor& x) {
  Choice& choice = program.choice;
  switch (choice.below(7)) {
    case 0:
      program.keep(sum(x));
      break;
    case 1:
      program.keep(mean(x));
      break;
    case 2:
      program.keep(sum(x, choice.axis(), choice.once_in(2)));
      break;
    case 3:
      program.keep(mean(x, choice.axis(), choice.once_in(2)));
      break;
    case 4:
      program.keep(max(x, choice.axis(), choice.once_in(2)));
      break;
    case 5:
      program.keep(sum_to(x, choice.shape()));
      break;
    case 6:
      sum_rows_into(program.any(), x, choice.count(), choice.once_in(2));
      break;
  }
}

void layers(Program& program, const Tensor& a, const Tensor& b) {
  Choice& choice = program.choice;
  switch (choice.below(12)) {
    case 0:
      program.keep(activate(a, any_activation(choice)));
      break;
    case 1:
      program.keep(activation_gradient(a, b, any_activation(choice)));
      break;
    case 2:
      program.keep(softmax(a));
      break;
    case 3:
      program.keep(log_softmax(a));
      break;
    case 4:
      program.keep(matmul(a, b));
      break;
    case 5:
      program.keep(linear(a, b, program.any(), any_activation(choice)));
      break;
    case 6:
      program.keep(layer_norm(a, b, program.any(), choice.number()));
      break;
    case 7:
      program.keep(dropout(a, choice.fraction(), choice.bits()));
      break;
    case 8:
      program.keep(embedding(a, program.any_of(DType::int32), program.any()));
      break;
    case 9:
      program.keep(causal_attention(a, choice.count()));
      break;
    case 10: {
      const auto [total, normalized] =
          residual_norm({.x = a, .branch = b, .dropout = choice.fraction()}, program.any(),
                        program.any(), choice.number());
      program.keep(total);
      program.keep(normalized);
      break;
    }
    case 11:
      program.keep(feed_forward(a, {b, program.any()}, {program.any(), program.any()},
                                any_activation(choice)));
      break;
  }
}

// Layers whose shapes fit.
void fitting_layers(Program& program) {
  Choice& choice = program.choice;
  const int64_t rows = choice.below(6), inputs = 1 + choice.below(40),
                outputs = 1 + choice.below(40);
  const DType dtype =
      choice.of<DType>({DType::float32, DType::float64, DType::bfloat16, DType::float16});
  const Device device = choice.device();
  const auto make = [&](const Shape& shape) {
    Tensor x = Tensor::full(shape, choice.number(), dtype, device);
    if (choice.once_in(2)) x.set_requires_gradient();
    return x;
  };
  switch (choice.below(5)) {
    case 0:
      program.keep(linear(make({rows, inputs}), make({outputs, inputs}), make({outputs}),
                          any_activation(choice)));
      break;
    case 1: {
      const int64_t heads = 1 + choice.below(4), time = choice.below(20);
      program.keep(causal_attention(make({rows, time, 3 * heads * outputs}), heads));
      break;
    }
    case 2:
      program.keep(layer_norm(make({rows, inputs}), make({inputs}), make({inputs})));
      break;
    case 3:
      program.keep(matmul(make({rows, inputs}), make({outputs, inputs}).transpose(0, 1)));
      break;
    case 4:
      program.keep(
          embedding(make({outputs, inputs}), Tensor::zeros({rows, 3}, DType::int32, device)));
      break;
  }
}

void factorize(Program& program, const Tensor& a) {
  switch (program.choice.below(5)) {
    case 0:
      program.keep(qr(a).q);
      break;
    case 1:
      program.keep(cholesky(a));
      break;
    case 2:
      program.keep(svd(a).values);
      break;
    case 3:
      program.keep(symmetric_eigenvalues(a).vectors);
      break;
    case 4:
      program.keep(solve(a, program.any()));
      break;
  }
}

}  // namespace

void call_tensor(Program& program) {
  switch (program.choice.below(6)) {
    case 0:
      construct(program);
      break;
    case 1:
    case 2:
      view(program, Tensor(program.any()));
      break;
    case 3:
      convert(program, Tensor(program.any()));
      break;
    case 4:
      write(program, program.any());
      break;
    case 5:
      inspect(program, program.any());
      break;
  }
}

void call_operation(Program& program) {
  const Tensor a = program.any(), b = program.any();
  switch (program.choice.below(6)) {
    case 0:
      arithmetic(program, a, b);
      break;
    case 1:
      reduce(program, a);
      break;
    case 2:
      layers(program, a, b);
      break;
    case 3:
      layers(program, a, a);
      break;
    case 4:
      fitting_layers(program);
      break;
    case 5:
      factorize(program, a);
      break;
  }
}

void call_loss(Program& program) {
  Choice& choice = program.choice;
  const Tensor a = program.any();
  const auto ignored = static_cast<int32_t>(choice.count());
  Loss loss;
  switch (choice.below(5)) {
    case 0:
      loss = cross_entropy(a, program.any_of(DType::int32), ignored);
      break;
    case 1:
      loss = linear_cross_entropy(a, program.any(), program.any_of(DType::int32),
                                  {.ignored = ignored, .chunk_bytes = choice.count()});
      break;
    case 2:
      loss = mse(a, program.any());
      break;
    case 3:
      loss = Loss::over(a, choice.count());
      break;
    case 4: {
      const int64_t rows = choice.below(5), classes = 1 + choice.below(9);
      Tensor logits =
          Tensor::full({rows, classes}, choice.number(), DType::float32, choice.device());
      logits.set_requires_gradient();
      loss = cross_entropy(
          logits, Tensor::full({rows}, choice.below(10) - 1, DType::int32, logits.device()));
      break;
    }
  }
  program.keep(loss.sum);
  program.keep(loss.count);
  loss.mean();
}

void call_autograd(Program& program) {
  Choice& choice = program.choice;
  Tensor x = program.any();
  switch (choice.below(9)) {
    case 0:
      x.set_requires_gradient(!choice.once_in(4));
      break;
    case 1:
      x.backward();
      break;
    case 2:
      x.backward(program.any());
      break;
    case 3:
      sum(x).backward();
      break;
    case 4:
      program.keep(x.gradient());
      break;
    case 5:
      x.clear_gradient();
      break;
    case 6:
      x.on_gradient(choice.once_in(4) ? std::function<void()>() : [] {});
      break;
    case 7:
      program.keep(recomputed([](const Tensor& input) { return square(input) + input; }, x));
      break;
    case 8: {
      // An operation of the caller's, whose gradient may have any shape.
      const Tensor gradient = program.any();
      const int input = choice.below(3) - 1;
      program.keep(autograd::record(
          "own", x.clone().detach(), {&x},
          [=](const Tensor&, auto& gradients) { gradients.add(input, gradient); }));
      break;
    }
  }
}

}  // namespace ripieno::fuzz
