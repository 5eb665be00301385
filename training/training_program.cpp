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
#include "ripieno/training/session/gpu_report.h"
#include "ripieno/training/settings/environment.h"

namespace ripieno {
namespace {

// All slots have the same number of rows.
void require_whole_slots(int64_t batch_size, int64_t slots) {
  if (batch_size % slots == 0) return;
  int64_t fewer = std::min(slots, batch_size), more = slots;
  while (batch_size % fewer != 0) --fewer;
  while (more < batch_size && batch_size % more != 0) ++more;
  throw ConfigurationError(fmt::format(
      "parallel.slots={} must divide train.batch_size={}; nearest divisors: {}", slots, batch_size,
      more > batch_size ? fmt::format("{}", fewer) : fmt::format("{} and {}", fewer, more)));
}

// Otherwise collectives time out before the watchdog can tell which rank they wait for.
void require_limit_below_timeout(const TrainingOptions& options) {
  if (options.limit_seconds.value_or(0) < options.timeout_seconds) return;
  throw ConfigurationError(
      fmt::format("watchdog.limit_seconds={} must be below parallel.timeout_seconds={}; lower the "
                  "former or raise the latter",
                  *options.limit_seconds, options.timeout_seconds));
}

// With DiLoCo each rank has parameters, and so an average, of its own.
void require_one_average(const TrainingOptions& options) {
  if (options.average.decay == 0 || options.parallel.diloco.steps == 0) return;
  throw ConfigurationError(
      fmt::format("ema.decay={} cannot be combined with parallel.diloco_steps={}; set one to 0",
                  options.average.decay, options.parallel.diloco.steps));
}

int default_slots(int64_t batch_size) {
  int slots = 8;
  while (batch_size % slots != 0) --slots;
  return slots;
}

void write_remark(std::string_view remark) {
  fmt::print(stderr, "{}: {}\n", program_invocation_short_name, remark);
}

// The line about the GPU, unless `out` is null, and warnings. Later ones are written when they
// occur.
void report_on_gpu(const Session& session, DType precision, std::FILE* out) {
  kernels::on_matmul_remark(write_remark);
  kernels::on_attention_remark(write_remark);
  if (!session.device().is_cuda()) return;
  const GpuReport report = gpu_report(precision);
  const std::string& gradients = session.communication();
  if (out) {
    const std::string line = fmt::format("{}: {}{}\n", to_string(session.device()), report.line,
                                         gradients.empty() ? "" : "; gradients over " + gradients);
    std::fputs(line.c_str(), out);  // unlike fmt::print(), does not throw if nobody reads it
    std::fflush(out);
  }
  for (const std::string& warning : report.warnings) write_remark(warning);
  if (!gradients.empty() && !session.uses_nccl()) {
    write_remark(
        fmt::format("warning: gradients travel through {}, which is slower than NCCL", gradients));
  }
}

// `repeatable`: results are bitwise identical in each run and on all ranks with the same hardware.
void set_numerics(bool tf32, bool repeatable) {
  kernels::Numerics numerics = kernels::numerics();
  numerics.tf32 = tf32;
  numerics.repeatable_attention = repeatable;
  numerics.algorithms = repeatable ? kernels::ProductAlgorithms::guessed
                                   : kernels::numerics_of_environment().algorithms;
  kernels::set_numerics(numerics);
}

}  // namespace

bool TrainingProgram::start(Session& session, const std::string& about, std::FILE* out) {
  bind(settings, options);
  session.together([&] {
    std::vector<const char*> words;
    for (const auto& word : session.command()) words.push_back(word.c_str());
    check_environment();
    command = parse_command_line(static_cast<int>(words.size()), words.data(), about, settings);
    if (command.help.empty()) configure(settings, command);
    check_settings();
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
  if (options.threads > 0) session.set_threads(options.threads);
  session.set_slots(slots());
  session.communicator().set_timeout(std::chrono::seconds(options.timeout_seconds));
  random_context().seed = seed();
  set_numerics(options.tf32, /*repeatable=*/options.strict || options.deterministic);
  if (session.rank() == 0) report_on_gpu(session, options.precision, command.quiet ? nullptr : out);
  return true;
}

void TrainingProgram::check_settings() const {
  require_limit_below_timeout(options);
  if (options.strict) require_whole_slots(options.batch_size, slots());
  optim::check_optimizer(options.optimizer_kind, optimizer_options());
  distributed::check(parallel_options());
  require_one_average(options);
  optim::check(make_schedule());
  check(options.run.metrics);
}

int TrainingProgram::slots() const {
  if (!options.strict) return 0;
  return options.slots.value_or(default_slots(options.batch_size));
}

std::unique_ptr<optim::Optimizer> TrainingProgram::make_optimizer(
    const Parameters& parameters) const {
  auto optimizer = optim::make_optimizer(options.optimizer_kind, parameters, optimizer_options());
  if (options.average.decay > 0) optimizer->keep_average(options.average);
  return optimizer;
}

optim::OptimizerOptions TrainingProgram::optimizer_options() const {
  optim::OptimizerOptions optimizer = options.optimizer;
  optimizer.scales_loss = options.precision == DType::float16;
  return optimizer;
}

optim::Schedule TrainingProgram::make_schedule() const { return schedule_of(options); }

distributed::DataParallelOptions TrainingProgram::parallel_options() const {
  distributed::DataParallelOptions parallel = options.parallel;
  parallel.slots = slots();
  return parallel;
}

double TrainingProgram::watchdog_limit_seconds() const {
  const int64_t chosen = std::max<int64_t>(10, std::min<int64_t>(300, options.timeout_seconds / 2));
  return static_cast<double>(options.limit_seconds.value_or(chosen));
}

RunOptions TrainingProgram::run_options(distributed::DataParallel& data_parallel) const {
  RunOptions run = options.run;
  run.steps = command.steps.value_or(options.schedule.steps);
  run.schedule = make_schedule();
  run.resume = command.resume;
  run.parallel = &data_parallel;
  run.watch = {.limit_seconds = watchdog_limit_seconds(), .ends_process = true};
  run.profile = {.file = command.profile,
                 .first_step = command.first_profiled,
                 .last_step = command.last_profiled};
  run.settings = &settings;
  run.progress = command.quiet ? nullptr : stdout;
  run.messages = stderr;
  return run;
}

StepGraphOptions TrainingProgram::graph_options() const {
  return {.mode = options.graph, .remark = write_remark};
}

}  // namespace ripieno
