#include "ripieno/training/configuration.h"

#include "ripieno/training/settings/command_line.h"

namespace ripieno {
namespace {

using distributed::Shard;
using optim::Schedule;

// What the arithmetic behind a number bears: samples are multiplied in 64 bits, rates are rounded
// to float32, and seconds are counted in nanoseconds.
constexpr double kMostSamples = 1e9, kMostBytes = 1e15;
constexpr double kLargestRate = 1e30;
constexpr double kMostSeconds = 1e8;
constexpr double kMostCheckpoints = 1e6;

void bind_optimizer(Settings& settings, std::string& kind, optim::OptimizerOptions& optimizer) {
  settings.add("optimizer.kind", &kind, "which", Accepts::one_of(optim::optimizer_names()));
  settings.add("optimizer.learning_rate", &optimizer.learning_rate, "the highest of the schedule",
               Accepts::positive(kLargestRate));
  settings.add("optimizer.beta1", &optimizer.beta1, "adamw: decay of the first moment",
               Accepts::below_one());
  settings.add("optimizer.beta2", &optimizer.beta2, "adamw: decay of the second moment",
               Accepts::below_one());
  settings.add("optimizer.epsilon", &optimizer.epsilon, "adamw", Accepts::positive(kLargestRate));
  settings.add("optimizer.weight_decay", &optimizer.weight_decay, "of matrices; vectors have none",
               Accepts::between(0, kLargestRate));
  settings.add("optimizer.momentum", &optimizer.momentum, "sgd", Accepts::below_one());
  settings.add("optimizer.nesterov", &optimizer.nesterov, "sgd: Nesterov's momentum");
}

void bind_schedule(Settings& settings, Schedule& schedule) {
  settings.add(
      "schedule.kind",
      choice(&schedule.kind, {{"constant", Schedule::Kind::constant},
                              {"linear", Schedule::Kind::linear},
                              {"cosine", Schedule::Kind::cosine},
                              {"warmup_stable_decay", Schedule::Kind::warmup_stable_decay}}),
      "of the learning rate, after the warm-up");
  settings.add("schedule.steps", &schedule.steps,
               "of the whole schedule, and of the run unless --steps",
               Accepts::between(1, kMostSteps));
  settings.add("schedule.warmup_steps", &schedule.warmup_steps, "from 0 up to the highest rate",
               Accepts::between(0, kMostSteps));
  settings.add("schedule.final_learning_rate", &schedule.final, "at the schedule's end",
               Accepts::between(0, kLargestRate));
  settings.add("schedule.decay_steps", &schedule.decay_steps,
               "warmup_stable_decay: the last steps, that decay", Accepts::between(0, kMostSteps));
}

void bind_train(Settings& settings, TrainingOptions& options) {
  settings.add("train.batch_size", &options.batch_size, "samples in a step, of all ranks together",
               Accepts::between(1, kMostSamples));
  settings.add("train.micro_batch_size", &options.parallel.micro_batch_size,
               "samples that a rank takes at once; 0: all of its share",
               Accepts::between(0, kMostSamples));
  settings.add("train.evaluate_every", &options.run.evaluate_every, "steps; 0: at the end only",
               Accepts::between(0, kMostSteps));
  settings.add("train.evaluation_batch_size", &options.run.evaluation_batch_size,
               "samples, of all ranks together; 0: as in training",
               Accepts::between(0, kMostSamples));
  settings.add("train.precision",
               choice(&options.precision, {{"float32", DType::float32},
                                           {"bfloat16", DType::bfloat16},
                                           {"float16", DType::float16}}),
               "of the parameters; float16 scales the loss");
  settings.add("train.tf32", &options.tf32,
               "whether a GPU may multiply float32 matrices in TensorFloat-32, which is faster and "
               "keeps 10 of 23 bits");
  settings.add(
      "train.deterministic", &options.deterministic,
      "whether a GPU computes the same bits each time, which is slower: attention's backward "
      "keeps scores, and algorithms are guessed instead of measured");
  settings.add("train.gradient_clip", &options.optimizer.max_gradient_norm,
               "largest norm of the whole gradient; 0: no limit",
               Accepts::between(0, kLargestRate));
  settings.add(
      "train.threads", &options.threads,
      "number of CPU threads per rank; 0 (default): OMP_NUM_THREADS if set, else the "
      "available processors (control group quota, affinity), shared by the ranks of a host",
      Accepts::between(0, kMostThreads));
  settings.add("train.seed", &options.seed, "of all random numbers", Accepts::at_least(0));
}

void bind_parallel(Settings& settings, TrainingOptions& options) {
  distributed::DataParallelOptions& parallel = options.parallel;
  settings.add("parallel.shard",
               choice(&parallel.shard, {{"none", Shard::none},
                                        {"optimizer", Shard::optimizer},
                                        {"gradients", Shard::gradients}}),
               "what the ranks keep only once, each its part");
  settings.add("parallel.bucket_bytes", &parallel.bucket_bytes,
               "of gradients that travel at once, or auto: as suits the link between the ranks",
               Accepts::between(1, kMostBytes));
  settings.add(
      "parallel.strict", &options.strict,
      "whether losses and parameters are the same bits on any number of ranks and threads");
  settings.add(
      "parallel.slots", &options.slots,
      "strict: pieces of a batch that are computed as one, in place of micro-batches, or auto: "
      "the largest number up to 8 that divides the batch",
      Accepts::between(1, 65536));
  settings.add("parallel.timeout_seconds", &options.timeout_seconds,
               "how long a rank waits for the others before it gives them up",
               Accepts::between(1, kMostSeconds));
  settings.add("parallel.check_every", &options.run.check_every,
               "steps between looks whether all ranks hold the same numbers; 0: never",
               Accepts::between(0, kMostSteps));
  settings.add("parallel.wire",
               choice(&parallel.wire, {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}}),
               "what gradients cross the network as");
  settings.add("parallel.power_sgd_rank", &parallel.power_sgd_rank,
               "PowerSGD: of what crosses the network for a matrix; 0: all of it",
               Accepts::between(0, 1024));
  settings.add("parallel.diloco_steps", &parallel.diloco.steps,
               "DiLoCo: that each rank takes on its own; 0: they take each together",
               Accepts::between(0, kMostSteps));
  settings.add("parallel.outer_learning_rate", &parallel.diloco.outer_learning_rate,
               "DiLoCo: of the step that they then take together", Accepts::positive(kLargestRate));
  settings.add("parallel.outer_momentum", &parallel.diloco.outer_momentum,
               "DiLoCo: Nesterov's, of that step", Accepts::below_one());
}

void bind_checkpoint(Settings& settings, RunOptions& run) {
  settings.add("checkpoint.every", &run.checkpoint_every,
               "steps, or auto: as often as is worth its cost; one is saved at the end as well",
               Accepts::between(1, kMostSteps));
  settings.add("checkpoint.failures_per_day", &run.failures_per_day,
               "auto: of the whole job; 0: not known, saving takes 3 % of the time at most",
               Accepts::between(0, 1e6));
  settings.add("checkpoint.keep", &run.keep.newest, "the newest so many",
               Accepts::between(1, kMostCheckpoints));
  settings.add("checkpoint.keep_every", &run.keep.every,
               "those of steps that are multiples of it; 0: none", Accepts::between(0, kMostSteps));
  settings.add("checkpoint.keep_best", &run.keep.best,
               "so many of the best by validation; each new best is saved",
               Accepts::between(0, 1000));
  settings.add("checkpoint.best_by", &run.keep.metric, "what is best",
               Accepts::one_of({"validation_loss", "accuracy"}));
  settings.add("checkpoint.stop_on_failure", &run.stop_on_failed_save,
               "a save that fails ends the run; else it goes on and tries again");
}

void bind_initial(Settings& settings, InitialParameters& initial) {
  settings.add("checkpoint.load", &initial.path,
               "a checkpoint or run that a new run takes its parameters from");
  settings.add("checkpoint.load_prefix", &initial.prefix,
               "of it only names that begin so, without it");
  settings.add("checkpoint.rename", &initial.rename, "old=new beginnings, separated by commas");
  settings.add("checkpoint.strict", &initial.strict, "whether every parameter must match");
  settings.add("checkpoint.foreign", &initial.foreign,
               "whether it may be an HDF5 file of another program");
  settings.add("checkpoint.allow_differences", &initial.allow_differences,
               "whether checkpoint.load may be of another tokenizer or of other model options");
}

}  // namespace

void bind(Settings& settings, TrainingOptions& options) {
  bind_optimizer(settings, options.optimizer_kind, options.optimizer);
  bind_schedule(settings, options.schedule);
  bind_train(settings, options);
  bind_parallel(settings, options);
  bind_checkpoint(settings, options.run);
  bind_initial(settings, options.run.initial);
  settings.add("log.every", &options.run.log_every, "steps between lines of metrics.jsonl",
               Accepts::between(1, kMostSteps));
  settings.add("log.show", &options.run.shown,
               "names of metrics that the progress line shows besides the loss");
}

}  // namespace ripieno
