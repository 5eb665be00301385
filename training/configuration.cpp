#include "ripieno/training/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <locale>
#include <sstream>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/training/settings/command_line.h"

namespace ripieno {
namespace {

using distributed::Shard;
using optim::Schedule;

// Limits of the arithmetic: sample counts are multiplied in 64 bits, rates are rounded to float32,
// and seconds are counted in nanoseconds.
constexpr double kMostSamples = 1e9, kMostBytes = 1e15;
constexpr double kLargestRate = 1e30;
constexpr double kMostSeconds = 1e8;
constexpr double kMostCheckpoints = 1e6;

// Keys of a single optimizer each.
void bind_rare(Settings& settings, optim::OptimizerOptions& optimizer) {
  settings.add("optimizer.centered", &optimizer.centered,
               "whether steps are divided by the standard deviation of the gradient instead of its "
               "root mean square (rms_prop only)");
  settings.add("optimizer.learning_rate_decay", &optimizer.learning_rate_decay,
               "amount by which the divisor of the learning rate, 1 at first, grows with each step "
               "(adagrad only); 0: the schedule alone",
               Accepts::between(0, kLargestRate));
  settings.add("optimizer.initial_sum", &optimizer.initial_sum,
               "initial value of the sum of squared gradients (adagrad only)",
               Accepts::between(0, kLargestRate));
  settings.add("optimizer.decay_exponent", &optimizer.decay_exponent,
               "exponent of the step number that gives the weight of a new mean square (adafactor "
               "only)",
               Accepts::between(-100, 0));
  settings.add("optimizer.clip_threshold", &optimizer.clip_threshold,
               "root mean square to which the update of a tensor is clipped before the learning "
               "rate is applied (adafactor only)",
               Accepts::positive(kLargestRate));
  settings.add("optimizer.epsilon2", &optimizer.epsilon2,
               "least root mean square of a tensor's values, with which its steps grow (adafactor "
               "only)",
               Accepts::positive(kLargestRate));
  using Scale = optim::MuonOptions::Scale;
  settings.add(
      "optimizer.muon_scale",
      choice(&optimizer.muon_scale, {{"adamw", Scale::adamw}, {"original", Scale::original}}),
      "scale of the learning rate of a matrix (muon only); adamw: steps as large as those "
      "of adamw, so that one learning rate serves all parameters; original: the square "
      "root of rows per column, at least 1");
  settings.add("optimizer.muon_iterations", &optimizer.muon_iterations,
               "iterations of the orthogonalization of an update (muon only)",
               Accepts::between(1, 99));
  settings.add("optimizer.by_adamw", &optimizer.adamw_parameters,
               "patterns of the names of matrices that adamw updates, such as embeddings and heads "
               "(muon only); vectors are updated by adamw in any case");
}

void bind_optimizer(Settings& settings, std::string& kind, optim::OptimizerOptions& optimizer) {
  settings.add("optimizer.kind", &kind, "optimizer algorithm",
               Accepts::one_of(optim::optimizer_names()));
  settings.add("optimizer.learning_rate", &optimizer.learning_rate,
               "peak learning rate of the schedule", Accepts::positive(kLargestRate));
  settings.add("optimizer.beta1", &optimizer.beta1,
               "decay rate of the first moment estimate (adam, adamw, lamb, muon), or of the "
               "momentum within the update (lion); auto: 0.9",
               Accepts::below_one());
  settings.add("optimizer.beta2", &optimizer.beta2,
               "decay rate of the second moment estimate (adam, adamw, lamb, muon), of the mean "
               "square (rms_prop) or of the momentum between steps (lion); auto: 0.999, but 0.99 "
               "for rms_prop and lion",
               Accepts::below_one());
  settings.add("optimizer.epsilon", &optimizer.epsilon,
               "term added to the denominator of the update for numerical stability (all but lion "
               "and sgd); auto: 1e-8, but 1e-6 for lamb, 1e-10 for adagrad, and the resolution of "
               "the element type for adafactor",
               Accepts::positive(kLargestRate));
  settings.add("optimizer.weight_decay", &optimizer.weight_decay,
               "weight decay coefficient of matrices; vectors, such as biases, do not decay; 0 "
               "disables weight decay",
               Accepts::between(0, kLargestRate));
  settings.add("optimizer.momentum", &optimizer.momentum,
               "momentum coefficient (muon, rms_prop, sgd); 0 disables momentum; auto: 0.9 for "
               "sgd, 0.95 for muon, 0 for rms_prop",
               Accepts::below_one());
  settings.add("optimizer.nesterov", &optimizer.nesterov,
               "whether to use Nesterov momentum (muon, sgd); auto: for muon only");
  bind_rare(settings, optimizer);
}

const std::vector<std::pair<std::string, Schedule::Kind>>& schedule_kinds() {
  using enum Schedule::Kind;
  static const std::vector<std::pair<std::string, Schedule::Kind>> kinds = {
      {"constant", constant},
      {"linear", linear},
      {"cosine", cosine},
      {"warmup_stable_decay", warmup_stable_decay},
      {"step", step},
      {"multi_step", multi_step},
      {"exponential", exponential},
      {"polynomial", polynomial},
      {"inverse_square_root", inverse_square_root},
      {"one_cycle", one_cycle},
      {"reduce_on_plateau", reduce_on_plateau},
      {"chain", chain}};
  return kinds;
}

// "cosine 900 to 1e-5"
Schedule part_of_chain(const Schedule& base, const std::string& text) {
  const auto reject = [&](const char* what) {
    throw ConfigurationError(fmt::format(
        "schedule.chain: \"{}\": {}; a part must be \"KIND STEPS\" or \"KIND STEPS to RATE\", as "
        "\"cosine 900 to 1e-5\"",
        text, what));
  };
  std::istringstream words(text);
  words.imbue(std::locale::classic());
  std::string kind, to, more;
  Schedule part = base;
  part.parts.clear();
  part.peak.reset();
  part.warmup_steps = 0;
  if (!(words >> kind >> part.steps) || !(words.eof() || std::isspace(words.peek())) ||
      part.steps < 1 || part.steps > kMostSteps)
    reject("its second word is not a whole number of steps, at least 1");
  const auto& kinds = schedule_kinds();
  const auto found = std::ranges::find(kinds, kind, [](const auto& known) { return known.first; });
  if (found == kinds.end()) reject("its kind is unknown");
  part.kind = found->second;
  if (words >> to && (to != "to" || !(words >> part.final) || !(part.final >= 0)))
    reject("it does not end with a learning rate");
  if (words.clear(); words >> more) reject("it has more words");
  return part;
}

void bind_shape(Settings& settings, Schedule& schedule) {
  settings.add("schedule.factor", &schedule.factor,
               "factor by which the learning rate is multiplied (step, multi_step, exponential, "
               "reduce_on_plateau)",
               {.minimum = 0, .maximum = 1, .above_minimum = true});
  settings.add("schedule.interval", &schedule.interval,
               "number of steps between two multiplications of the learning rate (step only)",
               Accepts::between(0, kMostSteps));
  settings.add("schedule.milestones", &schedule.milestones,
               "steps after which the learning rate is multiplied, ascending (multi_step only)",
               Accepts::between(1, kMostSteps));
  settings.add("schedule.power", &schedule.power,
               "exponent of the decay (polynomial only); 1: linear",
               Accepts::positive(kLargestRate));
  settings.add("schedule.initial_learning_rate", &schedule.initial,
               "learning rate of the first step (one_cycle only)",
               Accepts::between(0, kLargestRate));
}

void bind_plateau(Settings& settings, optim::PlateauOptions& plateau) {
  settings.add("schedule.patience", &plateau.patience,
               "number of validations without a lower loss after which the next one reduces the "
               "learning rate (reduce_on_plateau only)",
               Accepts::between(0, kMostSteps));
  settings.add("schedule.threshold", &plateau.threshold,
               "share of the lowest validation loss by which a loss must be lower to count "
               "(reduce_on_plateau only)",
               Accepts::between(0, 1));
  settings.add("schedule.cooldown", &plateau.cooldown,
               "number of validations after a reduction that do not count (reduce_on_plateau only)",
               Accepts::between(0, kMostSteps));
}

void bind_schedule(Settings& settings, TrainingOptions& options) {
  Schedule& schedule = options.schedule;
  settings.add("schedule.kind", choice(&schedule.kind, schedule_kinds()),
               "shape of the learning rate schedule after warmup");
  settings.add("schedule.steps", &schedule.steps,
               "length of the learning rate schedule in steps, including warmup; also the step at "
               "which training ends, unless --steps is given",
               Accepts::between(1, kMostSteps));
  settings.add("schedule.warmup_steps", &schedule.warmup_steps,
               "number of steps over which the learning rate grows linearly from 0 (one_cycle: "
               "along a cosine from schedule.initial_learning_rate) to optimizer.learning_rate; 0 "
               "disables warmup",
               Accepts::between(0, kMostSteps));
  settings.add("schedule.final_learning_rate", &schedule.final,
               "learning rate at the end of the schedule, or the least one (step, multi_step, "
               "exponential, reduce_on_plateau); not used by constant and inverse_square_root",
               Accepts::between(0, kLargestRate));
  settings.add("schedule.decay_steps", &schedule.decay_steps,
               "number of steps at the end of the schedule over which the learning rate falls "
               "linearly (warmup_stable_decay only); 0: only its last step has "
               "schedule.final_learning_rate",
               Accepts::between(0, kMostSteps));
  bind_shape(settings, schedule);
  bind_plateau(settings, options.run.plateau);
  settings.add("schedule.chain", &options.chain,
               "schedules that follow each other, each from the learning rate at which the one "
               "before it ended: \"KIND STEPS\", or \"KIND STEPS to RATE\" (chain only)");
}

void bind_average(Settings& settings, TrainingOptions& options) {
  settings.add("ema.decay", &options.average.decay,
               "decay rate of an exponential moving average of the parameters, which is saved in "
               "checkpoints as average/NAME; 0 disables it",
               Accepts::below_one());
  settings.add("ema.warmup", &options.average.warms_up,
               "whether the decay rate grows with the step, as (1 + step) / (10 + step), up to "
               "ema.decay");
  settings.add("ema.validate", &options.run.validates_average,
               "whether validation uses the average in place of the parameters");
}

void bind_train(Settings& settings, TrainingOptions& options) {
  settings.add("train.batch_size", &options.batch_size,
               "global batch size: samples per step, summed over all ranks",
               Accepts::between(1, kMostSamples));
  settings.add("train.micro_batch_size", &options.parallel.micro_batch_size,
               "samples per forward and backward pass of a rank (gradient accumulation); 0: all of "
               "the rank's samples at once",
               Accepts::between(0, kMostSamples));
  settings.add("train.evaluate_every", &options.run.evaluate_every,
               "steps between validations; 0: only after the last step",
               Accepts::between(0, kMostSteps));
  settings.add("train.early_stopping_patience", &options.run.early_stopping.patience,
               "number of validations in a row without a lower validation loss after which the run "
               "ends, with exit status 0; 0 disables early stopping",
               Accepts::between(0, kMostSteps));
  settings.add("train.early_stopping_threshold", &options.run.early_stopping.threshold,
               "share of the lowest validation loss by which a loss must be lower to count for "
               "early stopping",
               Accepts::between(0, 1));
  settings.add("train.evaluation_batch_size", &options.run.evaluation_batch_size,
               "global batch size of validation, in samples; 0: the same as train.batch_size",
               Accepts::between(0, kMostSamples));
  settings.add("train.precision",
               choice(&options.precision, {{"float32", DType::float32},
                                           {"bfloat16", DType::bfloat16},
                                           {"float16", DType::float16}}),
               "element type of parameters; float16 enables dynamic loss scaling");
  settings.add("train.tf32", &options.tf32,
               "whether a GPU may multiply float32 matrices in TensorFloat-32, which is faster but "
               "uses only 10 of the 23 mantissa bits");
  settings.add(
      "train.deterministic", &options.deterministic,
      "whether results on a GPU are bitwise reproducible, which is slower: the backward of "
      "attention stores its scores, and matrix product algorithms are chosen by heuristics "
      "instead of measurement");
  settings.add("train.graph",
               choice(&options.graph, {{"auto", StepGraphOptions::Mode::automatic},
                                       {"on", StepGraphOptions::Mode::on},
                                       {"off", StepGraphOptions::Mode::off}}),
               "whether the steps on a GPU are recorded once and replayed as a CUDA graph, with "
               "the same results; auto: if possible; on: an error if it is not possible");
  settings.add("train.gradient_clip", &options.optimizer.max_gradient_norm,
               "maximum global norm of the gradient; a larger gradient is scaled down to it; 0 "
               "disables clipping",
               Accepts::between(0, kLargestRate));
  settings.add("train.gradient_clip_value", &options.optimizer.max_gradient_value,
               "maximum magnitude of each element of the gradient, clipped before its norm is "
               "measured; 0 disables it",
               Accepts::between(0, kLargestRate));
  settings.add("train.threads", &options.threads,
               "number of CPU threads per rank; 0: OMP_NUM_THREADS if set, otherwise the available "
               "processors (CPU affinity, control group quota) divided among the ranks of the host",
               Accepts::between(0, kMostThreads));
  settings.add("train.seed", &options.seed,
               "seed of all random numbers: initial parameters, sample order, dropout",
               Accepts::at_least(0));
}

void bind_parallel(Settings& settings, TrainingOptions& options) {
  distributed::DataParallelOptions& parallel = options.parallel;
  settings.add("parallel.shard",
               choice(&parallel.shard, {{"none", Shard::none},
                                        {"optimizer", Shard::optimizer},
                                        {"gradients", Shard::gradients}}),
               "what is sharded over the ranks instead of replicated: nothing, the optimizer state "
               "(ZeRO stage 1), or gradients and optimizer state (ZeRO stage 2)");
  settings.add("parallel.bucket_bytes", &parallel.bucket_bytes,
               "size of a bucket, the range of gradients reduced by one collective, in bytes; "
               "\"auto\": measured to suit the link between the ranks",
               Accepts::between(1, kMostBytes));
  settings.add("parallel.strict", &options.strict,
               "whether losses and parameters are bitwise identical on any number of ranks and "
               "threads (strict mode)");
  settings.add(
      "parallel.slots", &options.slots,
      "number of slots, equal shares of the batch that strict mode computes separately in place of "
      "micro-batches; must divide train.batch_size; \"auto\": the largest divisor up to 8",
      Accepts::between(1, 65536));
  settings.add("parallel.timeout_seconds", &options.timeout_seconds,
               "seconds to wait for another rank before the run fails with exit status 76",
               Accepts::between(1, kMostSeconds));
  settings.add("parallel.check_every", &options.run.check_every,
               "steps between checks that all ranks hold identical parameters and optimizer state; "
               "each save is preceded by a check too; 0 disables all checks",
               Accepts::between(0, kMostSteps));
  settings.add(
      "parallel.wire",
      choice(&parallel.wire, {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}}),
      "element type in which float32 gradients are sent between ranks; 16-bit gradients are "
      "sent as they are");
  settings.add("parallel.power_sgd_rank", &parallel.power_sgd_rank,
               "rank of the PowerSGD approximation of the matrix gradients that are sent between "
               "ranks; 0 disables compression",
               Accepts::between(0, 1024));
  settings.add("parallel.diloco_steps", &parallel.diloco.steps,
               "number of steps that each rank takes without communication between two outer steps "
               "(DiLoCo); 0 disables DiLoCo",
               Accepts::between(0, kMostSteps));
  settings.add("parallel.outer_learning_rate", &parallel.diloco.outer_learning_rate,
               "learning rate of the outer step (DiLoCo only)", Accepts::positive(kLargestRate));
  settings.add("parallel.outer_momentum", &parallel.diloco.outer_momentum,
               "Nesterov momentum of the outer step (DiLoCo only)", Accepts::below_one());
}

void bind_checkpoint(Settings& settings, RunOptions& run) {
  settings.add("checkpoint.every", &run.checkpoint_every,
               "steps between checkpoints; \"auto\": a time interval derived from the measured "
               "cost of saving; a checkpoint is always saved at the end",
               Accepts::between(1, kMostSteps));
  settings.add("checkpoint.failures_per_day", &run.failures_per_day,
               "expected failures of the whole job per day, for checkpoint.every = \"auto\"; 0: "
               "unknown, saving takes at most 3 % of the time",
               Accepts::between(0, 1e6));
  settings.add("checkpoint.keep", &run.keep.newest, "number of newest checkpoints to keep",
               Accepts::between(1, kMostCheckpoints));
  settings.add("checkpoint.keep_every", &run.keep.every,
               "interval in steps: checkpoints at its multiples are kept permanently; 0: none",
               Accepts::between(0, kMostSteps));
  settings.add(
      "checkpoint.keep_best", &run.keep.best,
      "number of best checkpoints to keep, by checkpoint.best_by; each new best is saved; 0: none",
      Accepts::between(0, 1000));
  settings.add("checkpoint.best_by", &run.keep.metric,
               "validation metric that decides which checkpoints are best",
               Accepts::one_of({"validation_loss", "accuracy"}));
  settings.add("checkpoint.stop_on_failure", &run.stop_on_failed_save,
               "whether a failed save ends the run; otherwise training continues and the save is "
               "retried");
}

void bind_initial(Settings& settings, InitialParameters& initial) {
  settings.add("checkpoint.load", &initial.path,
               "checkpoint, or run directory for its newest checkpoint, from which a new run loads "
               "its initial parameters (fine-tuning); empty: random initialization");
  settings.add(
      "checkpoint.load_prefix", &initial.prefix,
      "prefix of the parameter names to load from checkpoint.load, which is removed before "
      "names are matched; empty: all names");
  settings.add("checkpoint.rename", &initial.rename,
               "comma-separated old=new rules, each replacing the prefix old of parameter names in "
               "checkpoint.load by new; empty: names are not changed");
  settings.add("checkpoint.strict", &initial.strict,
               "whether the parameters must match checkpoint.load completely, in names and shapes; "
               "otherwise those without a match keep their initial values");
  settings.add("checkpoint.foreign", &initial.foreign,
               "whether checkpoint.load may be an HDF5 file written by another program, without "
               "checksums");
  settings.add(
      "checkpoint.allow_differences", &initial.allow_differences,
      "whether checkpoint.load may have another tokenizer or other model options than this run");
}

void bind_metrics(Settings& settings, MetricsOptions& metrics) {
  settings.add("metrics.tensorboard", &metrics.tensorboard,
               "whether the metrics are also written to events/ in the run directory, for "
               "TensorBoard");
  settings.add("metrics.histograms_every", &metrics.histograms_every,
               "steps between histograms of all weights and gradients in events/; 0: none",
               Accepts::between(0, kMostSteps));
  settings.add("metrics.prometheus", &metrics.prometheus,
               "whether the metrics are also written to metrics.prom in the run directory, for "
               "Prometheus");
  settings.add("metrics.prometheus_directory", &metrics.prometheus_directory,
               "directory for a copy of metrics.prom, such as that of node_exporter's textfile "
               "collector on the host of rank 0; empty: none");
  settings.add("metrics.prometheus_address", &metrics.prometheus_address,
               "IP address and port on which rank 0 answers GET /metrics, such as "
               "127.0.0.1:9400; a port alone is on the loopback address; empty: none");
  settings.add("alerts.rules", &metrics.alerts,
               "conditions on metrics, each with a command to run when it holds: \"loss > 8 for "
               "100 steps -> COMMAND\"; without a command, the alert is only logged");
}

void bind_safety(Settings& settings, SafetyOptions& safety) {
  using OnBadStep = SafetyOptions::OnBadStep;
  settings.add(
      "safety.on_bad_step",
      choice(&safety.on_bad_step, {{"stop", OnBadStep::stop},
                                   {"skip", OnBadStep::skip},
                                   {"rollback", OnBadStep::rollback}}),
      "what to do about a step whose loss or gradient is not finite or whose gradient norm "
      "or loss is an outlier; stop: end with exit status 79; skip: leave parameters and optimizer "
      "state unchanged and continue; rollback: load the newest checkpoint and leave out "
      "the samples of the step");
  settings.add(
      "safety.outlier_factor", &safety.outlier_factor,
      "factor by which the gradient norm of a step must exceed the mean of the steps before "
      "it to be an outlier, more than 1; 0 disables the detection of outliers",
      Accepts::between(0, kLargestRate));
  settings.add(
      "safety.loss_outlier_factor", &safety.loss_outlier_factor,
      "number of standard deviations (estimated from the median absolute deviation) by which a "
      "loss must exceed the median of the 128 before it to be an outlier; 0 disables the detection "
      "(safety.on_bad_step=stop or rollback only)",
      Accepts::between(0, kLargestRate));
  settings.add("safety.max_rollbacks", &safety.max_rollbacks,
               "number of rollbacks to the same checkpoint after which the run ends with exit "
               "status 79 (safety.on_bad_step=rollback only)",
               Accepts::between(1, kMostSteps));
}

}  // namespace

optim::Schedule schedule_of(const TrainingOptions& options) {
  Schedule schedule = options.schedule;
  schedule.peak = options.optimizer.learning_rate;
  if (schedule.kind != Schedule::Kind::chain) return schedule;
  for (const std::string& text : options.chain)
    schedule.parts.push_back(part_of_chain(schedule, text));
  if (!schedule.parts.empty()) schedule.parts.front().warmup_steps = schedule.warmup_steps;
  return schedule;
}

void bind(Settings& settings, TrainingOptions& options) {
  bind_optimizer(settings, options.optimizer_kind, options.optimizer);
  bind_schedule(settings, options);
  bind_average(settings, options);
  bind_train(settings, options);
  bind_parallel(settings, options);
  bind_checkpoint(settings, options.run);
  bind_initial(settings, options.run.initial);
  bind_safety(settings, options.run.safety);
  bind_metrics(settings, options.run.metrics);
  settings.add(
      "watchdog.limit_seconds", &options.limit_seconds,
      "seconds that a step may take before the run is taken to hang: each rank writes the "
      "stacks of its threads to its directory in ranks/, and the run ends with exit status "
      "76; three times as long may take the first step, a batch of a validation, and a "
      "save that does not proceed; must be below parallel.timeout_seconds; 0 disables the "
      "watchdog; \"auto\": 300, or half of parallel.timeout_seconds if that is less, but at "
      "least 10",
      Accepts::between(0, kMostSeconds));
  settings.add("log.every", &options.run.log_every, "steps between lines of metrics.jsonl",
               Accepts::between(1, kMostSteps));
  settings.add("log.show", &options.run.shown,
               "names of metrics to show in the progress line besides the loss; empty: none");
}

}  // namespace ripieno
