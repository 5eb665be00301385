// file: first_model.cpp
#include <ripieno/ripieno.h>

using namespace ripieno;

// x + down(gelu(up(norm(x)))): (rows, width) -> (rows, width)
struct Block final : nn::Module {
  nn::LayerNorm norm;
  nn::Linear up, down;

  explicit Block(int64_t width)
      : norm(width),
        up(width, 4 * width, {.activation = Activation::kGelu}),
        down(4 * width, width) {
    add("norm", norm);
    add("up", up);
    add("down", down);
  }
  Tensor forward(const Tensor& x) const override { return x + down(up(norm(x))); }
};

// (rows, 2) -> (rows, 1)
struct Surface final : nn::Module {
  nn::Linear in, out;
  Block first, second;

  explicit Surface(int64_t width) : in(2, width), out(width, 1), first(width), second(width) {
    add("in", in);
    add("first", first);
    add("second", second);
    add("out", out);
  }
  Tensor forward(const Tensor& x) const override { return out(second(first(in(x)))); }
};

int train(int argc, char** argv) {
  Session session(argc, argv);
  Tensor x({4096, 2});
  fill_uniform(x, -1.0, 1.0, {.seed = 1});
  const Tensor y = sin(x.slice(1, 0, 1) * 3.0) * cos(x.slice(1, 1, 2) * 2.0);  // (4096, 1)
  MemoryLoader loader(x, y, {.batch_size = 64, .order = io::shuffled(4096, 1)}, session);

  Surface model(32);
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 3e-3});
  DataParallel parallel(model, optimizer, session.communicator());
  Run run("runs/first_model", session, model, optimizer, loader,
          {.steps = 500, .parallel = &parallel, .progress = stdout, .messages = stderr});
  while (const auto batch = run.next()) {
    parallel.backward(mse(model(batch->inputs), batch->targets));
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
