#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "fuzz/calls/program.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/nn/layer_norm.h"
#include "ripieno/core/nn/sequential.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/schedule.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/data/memory_loader.h"
#include "ripieno/training/weights.h"

namespace ripieno::fuzz {
namespace {

using distributed::DataParallel;
using distributed::DataParallelOptions;

// A model of a few layers, with inputs that fit it or not.
struct SmallModel {
  explicit SmallModel(Choice& choice) {
    switch (choice.below(3)) {
      case 0: {
        const int64_t hidden = choice.size();
        model = std::make_unique<nn::Mlp>(std::vector<int64_t>{4, hidden > 100 ? 3 : hidden, 3});
        input = Tensor::full({5, 4}, 0.5);
        break;
      }
      case 1:
        model = std::make_unique<nn::Sequential>(nn::Linear(4, 6), nn::LayerNorm(6),
                                                 nn::Dropout(choice.fraction()), nn::Linear(6, 3));
        input = Tensor::full({5, 4}, 0.5);
        break;
      case 2: {
        const int64_t heads = choice.count(), channels = choice.count();
        model = std::make_unique<nn::Gpt>(nn::GptOptions{
            .vocab = 9,
            .layers = choice.below(3),
            .heads = heads,
            .channels = channels,
            .context = 8,
            .dropout = choice.fraction(),
            .recompute = choice.once_in(2) ? nn::Recompute::blocks : nn::Recompute::none});
        input = Tensor::zeros({2, 1 + choice.below(9)}, DType::int32);
        break;
      }
    }
  }
  std::unique_ptr<nn::Module> model;
  Tensor input;
};

std::unique_ptr<optim::Optimizer> any_optimizer(Choice& choice, Parameters parameters) {
  optim::OptimizerOptions options{.learning_rate = choice.once_in(8) ? choice.number() : 0.01,
                                  .weight_decay = choice.once_in(4) ? choice.number() : 0.0,
                                  .beta1 = choice.fraction(),
                                  .beta2 = choice.fraction(),
                                  .momentum = choice.fraction(),
                                  .nesterov = choice.once_in(4),
                                  .max_gradient_norm = choice.once_in(4) ? choice.number() : 0.0,
                                  .scales_loss = choice.once_in(4)};
  if (choice.once_in(4)) {
    options.groups.push_back(
        {.selects = optim::named(choice.text()), .learning_rate_factor = choice.number()});
    if (choice.once_in(4)) options.groups.back().selects = nullptr;
  }
  const char* const name = choice.of<const char*>({"adamw", "sgd", "adamw", "sgd", "none"});
  return optim::make_optimizer(name, std::move(parameters), options);
}

// Runs `call`; the calls after it are made whether it throws an Error or not.
template <typename Call>
void attempt(const Call& call) {
  try {
    call();
  } catch (const Error&) {
  }
}

void change(Choice& choice, nn::Module& model) {
  switch (choice.below(7)) {
    case 0:
      model.freeze(choice.text());
      break;
    case 1:
      model.thaw(choice.text());
      break;
    case 2:
      model.to(choice.device(), choice.dtype());
      break;
    case 3:
      model.train(choice.once_in(2));
      break;
    case 4:
      model.parameters()[choice.text()];
      break;
    case 5:
      model.parameters().clear_gradients();
      break;
    case 6:
      model.on_forward(choice.once_in(2) ? nn::Module::ForwardHook()
                                         : [](const Tensor&, const Tensor&) {});
      break;
  }
}

void change(Program& program, optim::Optimizer& optimizer) {
  Choice& choice = program.choice;
  switch (choice.below(9)) {
    case 0:
      optimizer.set_learning_rate(choice.number());
      break;
    case 1:
      optimizer.set_steps_taken(choice.count());
      break;
    case 2:
      optimizer.step(program.any());
      break;
    case 3:
      optimizer.step(Loss{program.any(), program.any()});
      break;
    case 4:
      optimizer.loss_scale();
      break;
    case 5:
      optimizer.set_loss_scale_state({.scale = static_cast<float>(choice.number()),
                                      .steps = static_cast<int32_t>(choice.below(9))});
      break;
    case 6:
      optimizer.gradient_norm();
      break;
    case 7:
      optimizer.keep(choice.text());
      break;
    case 8:
      optimizer.shard(
          {.ranges = {{choice.count(), choice.count()}, {choice.count(), choice.count()}}});
      break;
  }
}

DataParallelOptions any_options(Choice& choice) {
  return {.shard = choice.of({distributed::Shard::none, distributed::Shard::optimizer,
                              distributed::Shard::gradients}),
          .bucket_bytes = choice.once_in(2)
                              ? std::optional<std::size_t>(choice.bits() >> choice.below(64))
                              : std::nullopt,
          .overlap = choice.once_in(2),
          .micro_batch_size = choice.once_in(4) ? choice.count() : 0,
          .slots = choice.once_in(4) ? choice.below(5) - 1 : 0,
          .wire = choice.once_in(4) ? choice.dtype() : DType::float32,
          .power_sgd_rank = choice.once_in(4) ? choice.below(5) - 1 : 0,
          .diloco = {.steps = choice.once_in(4) ? choice.count() : 0,
                     .outer_learning_rate = choice.number(),
                     .outer_momentum = choice.fraction()}};
}

io::State any_state(Program& program) {
  Choice& choice = program.choice;
  io::State state;
  for (int i = choice.below(5); i > 0; --i) {
    const Tensor part = program.any();
    const auto kind = static_cast<io::StateKind>(choice.below(3));
    if (choice.once_in(3)) {
      state.push_back({.name = choice.text(),
                       .kind = kind,
                       .dtype = choice.dtype(),
                       .shape = choice.shape(),
                       .begin = choice.count(),
                       .part = part,
                       .sharded = choice.once_in(2)});
    } else {
      state.push_back(io::state_of("tensor " + std::to_string(i), kind, part));
    }
  }
  return state;
}

}  // namespace

void call_model(Program& program) {
  Choice& choice = program.choice;
  SmallModel small(choice);
  nn::Module& model = *small.model;
  if (choice.once_in(2)) attempt([&] { change(choice, model); });
  const auto optimizer = any_optimizer(choice, model.parameters());
  for (int step = 0; step < 3; ++step) {
    attempt([&] {
      const Tensor& x = choice.once_in(6) ? program.any() : small.input;
      const Tensor y = model(x.to(model.parameters().values().device()));
      const Loss loss = Loss::over(sum(y), choice.count());
      if (choice.once_in(2)) {
        optimizer->step(loss);
      } else {
        loss.sum.backward(optimizer->loss_scale());
        optimizer->step(choice.once_in(2) ? loss.count : Tensor());
      }
      program.keep(y);
    });
    attempt([&] { change(choice, model); });
    attempt([&] { change(program, *optimizer); });
  }
  const optim::Schedule schedule{.kind = static_cast<optim::Schedule::Kind>(choice.below(5)),
                                 .peak = choice.number(),
                                 .final = choice.number(),
                                 .warmup_steps = choice.count(),
                                 .steps = choice.count(),
                                 .decay_steps = choice.count()};
  schedule.at(choice.count());
}

void call_parallel(Program& program) {
  Choice& choice = program.choice;
  SmallModel small(choice);
  nn::Module& model = *small.model;
  const auto optimizer = any_optimizer(choice, model.parameters());
  const auto communicator = distributed::alone();
  DataParallel parallel(model, *optimizer, *communicator, any_options(choice));
  for (int step = 0; step < 3; ++step) {
    const auto loss_of = [&](int64_t begin, int64_t end) {
      return Loss::over(sum(model(small.input.slice(0, begin, end))), end - begin);
    };
    for (int calls = 1 + choice.below(3); calls > 0; --calls) {
      attempt([&] {
        switch (choice.below(6)) {
          case 0:
            parallel.backward(loss_of(0, small.input.size(0)), DataParallel::Accumulate::more);
            break;
          case 1:
            parallel.backward(loss_of(0, small.input.size(0)));
            break;
          case 2:
            parallel.backward();
            break;
          case 3:
            parallel.backward(small.input.size(0), loss_of);
            break;
          case 4:
            parallel.backward(choice.count(), loss_of);
            break;
          case 5:
            parallel.backward(Loss{program.any(), program.any()});
            break;
        }
      });
    }
    attempt([&] { parallel.step(); });
    if (choice.once_in(4)) attempt([&] { change(choice, model); });
    if (choice.once_in(4)) attempt([&] { change(program, *optimizer); });
    if (choice.once_in(4)) attempt([&] { parallel.synchronize(); });
  }
}

void call_loader(Program& program) {
  Choice& choice = program.choice;
  const auto threads = choice.once_in(8) ? choice.below(4) - 2 : 1;
  io::BatchLoaderOptions options{.batch_size = choice.count(),
                                 .threads = threads,
                                 .ahead = choice.below(4) - (threads > 0 ? 0 : 1)};
  if (choice.once_in(2)) options.order = io::shuffled(choice.size(), choice.bits());
  if (options.batch_size > 1000) options.batch_size = 1000;
  io::MemoryLoader loader(
      program.any(), program.any_of(DType::int32), options,
      {.rank = choice.below(4) - 1, .size = choice.below(4), .slots = choice.below(4) - 1});
  for (int batches = 0; batches < 3; ++batches) {
    attempt([&] {
      if (choice.once_in(3)) loader.seek(choice.count());
      const io::Batch batch = loader.next();
      program.keep(batch.inputs);
      batch.extra(choice.text());
    });
  }
  const auto set = loader.held_out(choice.count());
  if (set) set->batch(choice.count());
}

void call_checkpoint(Program& program) {
  Choice& choice = program.choice;
  const io::TemporaryDirectory directory;
  const std::string path = directory / "checkpoints";
  const io::State state = any_state(program);
  nlohmann::json training_state = {{"number", choice.number()}, {"text", choice.text()}};
  attempt([&] {
    io::save_checkpoint(io::local_files(), path, choice.count(), state, training_state,
                        {.rank = choice.once_in(8) ? choice.below(4) - 1 : 0,
                         .size = choice.once_in(8) ? choice.below(4) : 1,
                         .attempt = choice.once_in(4) ? choice.text() : "one",
                         .timeout_seconds = 0.1,
                         .stall_timeout_seconds = choice.once_in(8) ? choice.number() : 600,
                         .keep = {.newest = choice.once_in(4) ? choice.below(4) - 1 : 3}});
  });
  if (const auto found = io::newest_intact(io::local_files(), path); found.path) {
    const auto checkpoint = io::Checkpoint::open(io::local_files(), *found.path);
    io::LoadOptions options{.prefix = choice.once_in(4) ? choice.text() : "",
                            .strict = choice.once_in(2)};
    if (choice.once_in(4)) options.rename.push_back({choice.text(), choice.text()});
    options.reading.threads = choice.below(4) - 1;
    attempt([&] { checkpoint.load(choice.once_in(2) ? state : any_state(program), options); });
  }
  SmallModel small(choice);
  const std::string file = directory / choice.text();
  attempt([&] { save_weights(*small.model, file); });
  load_weights(*small.model, file, {.strict = choice.once_in(2)});
}

}  // namespace ripieno::fuzz
