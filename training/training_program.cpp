#include "ripieno/training/training_program.h"

#include <errno.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/attention_library.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/numerics.h"
#include "ripieno/training/run/rank_facts.h"

namespace ripieno {
namespace {

optim::Schedule::Kind schedule_kind(const std::string& name) {
  if (name == "linear") return optim::Schedule::Kind::linear;
  if (name == "cosine") return optim::Schedule::Kind::cosine;
  if (name == "warmup_stable_decay") return optim::Schedule::Kind::warmup_stable_decay;
  return optim::Schedule::Kind::constant;
}

// Slots are of one shape.
void require_whole_slots(int64_t batch_size, int64_t slots) {
  if (batch_size % slots == 0) return;
  int64_t fewer = std::min(slots, batch_size), more = slots;
  while (batch_size % fewer != 0) --fewer;
  while (more < batch_size && batch_size % more != 0) ++more;
  throw ConfigurationError(fmt::format(
      "parallel.slots = {} does not divide train.batch_size = {}; the nearest that do are {}",
      slots, batch_size,
      more > batch_size ? fmt::format("{}", fewer) : fmt::format("{} and {}", fewer, more)));
}

int64_t default_slots(int64_t batch_size) {
  int64_t slots = std::min<int64_t>(8, batch_size);
  while (batch_size % slots != 0) --slots;
  return slots;
}

void write_remark(std::string_view remark) {
  fmt::print(stderr, "{}: {}\n", program_invocation_short_name, remark);
}

void remark_on_attention() {
  if (kernels::attention_library_is_found()) return;
  write_remark(fmt::format("attention is computed by {}", kernels::attention_library()));
}

// repeatable: the same bits each time, and on all ranks of one kind of machine.
void set_numerics(bool tf32, bool repeatable) {
  kernels::Numerics numerics = kernels::numerics();
  numerics.tf32 = tf32;
  numerics.repeatable_attention = repeatable;
  numerics.algorithms =
      repeatable ? kernels::ProductAlgorithms::guessed : kernels::ProductAlgorithms::measured;
  kernels::set_numerics(numerics);
}

distributed::Shard shard_named(const std::string& name) {
  if (name == "optimizer") return distributed::Shard::optimizer;
  return name == "gradients" ? distributed::Shard::gradients : distributed::Shard::none;
}

}  // namespace

bool TrainingProgram::start(Session& session, const std::string& about, std::FILE* out) {
  bind(settings, optimizer);
  bind(settings, schedule);
  bind(settings, train);
  bind(settings, parallel);
  bind(settings, checkpoint);
  bind(settings, log);
  session.together([&] {
    std::vector<const char*> words;
    for (const auto& word : session.command()) words.push_back(word.c_str());
    command = parse_command_line(static_cast<int>(words.size()), words.data(), about, settings);
    if (command.help.empty()) configure(settings, command);
    if (parallel.strict) require_whole_slots(train.batch_size, slots());
    optim::check_optimizer(optimizer.kind, optimizer_options());
    distributed::check(parallel_options());
  });
  if (!command.help.empty()) {
    if (session.rank() == 0) std::fputs(command.help.c_str(), out);
    return false;
  }
  session.use_device(command.device);
  if (session.communicator().local_rank() == 0 && !session.device_remark().empty()) {
    write_remark(session.device_remark());
  }
  session.require_agreement(facts_of_program(session.device()));
  session.require_agreement(facts_of(settings));
  if (train.threads > 0) session.set_threads(static_cast<int>(train.threads));
  session.set_slots(slots());
  session.communicator().set_timeout(std::chrono::seconds(parallel.timeout_seconds));
  random_context().seed = seed();
  set_numerics(train.tf32, /*repeatable=*/parallel.strict || train.deterministic);
  if (session.rank() == 0) {
    kernels::on_matmul_remark(write_remark);
    if (session.device().is_cuda() && size_of(precision()) == 2) remark_on_attention();
  }
  return true;
}

int TrainingProgram::slots() const {
  if (!parallel.strict) return 0;
  return static_cast<int>(parallel.slots.value_or(default_slots(train.batch_size)));
}

DType TrainingProgram::precision() const { return *dtype_named(train.precision); }

std::unique_ptr<optim::Optimizer> TrainingProgram::make_optimizer(
    const Parameters& parameters) const {
  return optim::make_optimizer(optimizer.kind, parameters, optimizer_options());
}

optim::OptimizerOptions TrainingProgram::optimizer_options() const {
  return {.learning_rate = optimizer.learning_rate,
          .weight_decay = optimizer.weight_decay,
          .beta1 = optimizer.beta1,
          .beta2 = optimizer.beta2,
          .epsilon = optimizer.epsilon,
          .momentum = optimizer.momentum,
          .nesterov = optimizer.nesterov,
          .max_gradient_norm = train.gradient_clip,
          .scales_loss = precision() == DType::float16};
}

optim::Schedule TrainingProgram::make_schedule() const {
  return {.kind = schedule_kind(schedule.kind),
          .peak = optimizer.learning_rate,
          .final = schedule.final_learning_rate,
          .warmup_steps = schedule.warmup_steps,
          .steps = schedule.steps,
          .decay_steps = schedule.decay_steps};
}

distributed::DataParallelOptions TrainingProgram::parallel_options() const {
  return {.shard = shard_named(parallel.shard),
          .bucket_bytes = parallel.bucket_bytes,
          .micro_batch_size = train.micro_batch_size,
          .slots = slots(),
          .wire = *dtype_named(parallel.wire),
          .power_sgd_rank = static_cast<int>(parallel.power_sgd_rank),
          .diloco = {.steps = parallel.diloco_steps,
                     .outer_learning_rate = parallel.outer_learning_rate,
                     .outer_momentum = parallel.outer_momentum}};
}

RunOptions TrainingProgram::run_options(distributed::DataParallel& data_parallel) const {
  return {.steps = command.steps.value_or(schedule.steps),
          .schedule = make_schedule(),
          .checkpoint_every = checkpoint.every,
          .failures_per_day = checkpoint.failures_per_day,
          .keep = {.newest = static_cast<int>(checkpoint.keep),
                   .every = checkpoint.keep_every,
                   .best = static_cast<int>(checkpoint.keep_best),
                   .metric = checkpoint.best_by},
          .stop_on_failed_save = checkpoint.stop_on_failure,
          .evaluate_every = train.evaluate_every,
          .evaluation_batch_size = train.evaluation_batch_size,
          .log_every = log.every,
          .check_every = parallel.check_every,
          .resume = command.resume,
          .initial = checkpoint.initial,
          .parallel = &data_parallel,
          .settings = &settings,
          .progress = command.quiet ? nullptr : stdout,
          .messages = stderr};
}

}  // namespace ripieno
