// file: own_model.cpp
#include <ripieno/ripieno.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

// Quadratic near 0, linear far from it, so that outliers weigh less. prediction, target: (rows, 1)
Loss robust_loss(const Tensor& prediction, const Tensor& target) {
  const Tensor error = prediction.to(DType::float32) - target;
  const Tensor losses = sqrt(square(error) + 1.0) - 1.0;
  return Loss::over(sum(losses), losses.elements());
}

// Heights with noise; about one in twenty is far off.
class NoisySurface final : public io::Dataset {
 public:
  NoisySurface(int64_t size, uint64_t seed) : size_(size), seed_(seed) {}

  int64_t size() const override { return size_; }
  io::SampleLayout layout() const override {
    return {.inputs = {{2}, DType::float32}, .targets = {{1}, DType::float32}};
  }
  void read(int64_t index, const io::SampleRow& into) const override {
    const auto random = kernels::philox({.seed = seed_}, static_cast<uint64_t>(index));
    const auto uniform = [&](int i) { return 2 * kernels::to_uniform(random.word[i]) - 1; };
    const float noise = uniform(3) * (random.word[2] % 20 == 0 ? 5.0f : 0.05f);
    into.inputs<float>()[0] = uniform(0);
    into.inputs<float>()[1] = uniform(1);
    into.targets<float>()[0] = std::sin(3 * uniform(0)) * std::cos(2 * uniform(1)) + noise;
  }
  std::string fingerprint() const override {
    return "noisy surface " + std::to_string(size_) + " " + std::to_string(seed_);
  }

 private:
  int64_t size_;
  uint64_t seed_;
};

// How many predictions are within `distance` of their target.
int64_t count_within(double distance, const Tensor& prediction, const Tensor& target) {
  const auto predicted = prediction.to_vector<double>(), wanted = target.to_vector<double>();
  int64_t count = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    count += std::abs(predicted[i] - wanted[i]) <= distance;
  return count;
}

// Lion (Chen et al., 2023, arXiv 2302.06675): one momentum, and steps by its sign.
class Lion final : public optim::Optimizer {
 public:
  Lion(Parameters parameters, const optim::Common& common)
      : Optimizer(std::move(parameters), common) {}

 private:
  void prepare() override { add_state("momentum"); }

  void update_tensor(const ParameterView& view) override {
    Tensor values = view.values, momentum = view.state("momentum");
    const Tensor mixed = momentum * 0.9 + view.gradient * 0.1;
    const Tensor sign = mixed / sqrt(square(mixed) + 1e-30);  // 0 at 0
    values.copy_from(values - (sign + values * view.weight_decay) * view.learning_rate);
    momentum.copy_from(momentum * 0.99 + view.gradient * 0.01);
  }
};

int train(int argc, char** argv) {
  Session session(argc, argv);
  const auto data = std::make_shared<const NoisySurface>(20000, 1);
  io::BatchLoader loader(data,
                         {.batch_size = 64,
                          .order = io::shuffled(data->size(), 1),
                          .validation = std::make_shared<const NoisySurface>(1000, 2)},
                         session);

  Surface model(32);
  model.to(session.device());
  Lion optimizer(model.parameters(), {.learning_rate = 1e-3, .weight_decay = 0.01});
  DataParallel parallel(model, optimizer, session.communicator());
  const optim::Schedule schedule{
      .kind = optim::Schedule::Kind::cosine, .peak = 1e-3, .warmup_steps = 50, .steps = 2000};
  Run run("runs/own_model", session, model, optimizer, loader,
          {.steps = 2000,
           .schedule = schedule,
           .evaluate_every = 500,
           .shown = {"within_a_tenth"},
           .parallel = &parallel,
           .progress = stdout,
           .messages = stderr});
  run.validate_with([&](const io::Batch& batch) {
    const Tensor prediction = model(batch.inputs);
    const std::vector<io::Metric> sums = {
        {"within_a_tenth", count_within(0.1, prediction, batch.targets)},
        {"within_a_half", count_within(0.5, prediction, batch.targets)}};
    return Measured(robust_loss(prediction, batch.targets), sums);
  });
  while (const auto batch = run.next()) {
    parallel.backward(batch->inputs.size(0), [&](int64_t begin, int64_t end) {
      return robust_loss(model(batch->inputs.slice(0, begin, end)),
                         batch->targets.slice(0, begin, end));
    });
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
