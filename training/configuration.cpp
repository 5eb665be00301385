#include "ripieno/training/configuration.h"

#include "ripieno/core/optim/optimizers.h"

namespace ripieno {
namespace {

// What the arithmetic behind a number bears: steps and samples are multiplied in 64 bits, rates are
// rounded to float32, and seconds are counted in nanoseconds.
constexpr double kMostSteps = 1e12, kMostSamples = 1e9, kMostBytes = 1e15;
constexpr double kLargestRate = 1e30;
constexpr double kMostSeconds = 1e8;
constexpr double kMostCheckpoints = 1e6;

}  // namespace

void bind(Settings& settings, OptimizerSettings& optimizer) {
  settings.add("optimizer.kind", &optimizer.kind, "which",
               Accepts::one_of(optim::optimizer_names()));
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

void bind(Settings& settings, ScheduleSettings& schedule) {
  settings.add("schedule.kind", &schedule.kind, "of the learning rate, after the warm-up",
               Accepts::one_of({"constant", "linear", "cosine", "warmup_stable_decay"}));
  settings.add("schedule.steps", &schedule.steps,
               "of the whole schedule, and of the run unless --steps",
               Accepts::between(1, kMostSteps));
  settings.add("schedule.warmup_steps", &schedule.warmup_steps, "from 0 up to the highest rate",
               Accepts::between(0, kMostSteps));
  settings.add("schedule.final_learning_rate", &schedule.final_learning_rate,
               "at the schedule's end", Accepts::between(0, kLargestRate));
  settings.add("schedule.decay_steps", &schedule.decay_steps,
               "warmup_stable_decay: the last steps, that decay", Accepts::between(0, kMostSteps));
}

void bind(Settings& settings, TrainSettings& train) {
  settings.add("train.batch_size", &train.batch_size, "samples in a step, of all ranks together",
               Accepts::between(1, kMostSamples));
  settings.add("train.micro_batch_size", &train.micro_batch_size,
               "samples that a rank takes at once; 0: all of its share",
               Accepts::between(0, kMostSamples));
  settings.add("train.evaluate_every", &train.evaluate_every, "steps; 0: at the end only",
               Accepts::between(0, kMostSteps));
  settings.add("train.evaluation_batch_size", &train.evaluation_batch_size,
               "samples, of all ranks together; 0: as in training",
               Accepts::between(0, kMostSamples));
  settings.add("train.precision", &train.precision, "of the parameters; float16 scales the loss",
               Accepts::one_of({"float32", "bfloat16", "float16"}));
  settings.add("train.tf32", &train.tf32,
               "whether a GPU may multiply float32 matrices in TensorFloat-32, which is faster and "
               "keeps 10 of 23 bits");
  settings.add(
      "train.deterministic", &train.deterministic,
      "whether a GPU computes the same bits each time, which is slower: attention's backward "
      "keeps scores, and algorithms are guessed instead of measured");
  settings.add("train.gradient_clip", &train.gradient_clip,
               "largest norm of the whole gradient; 0: no limit",
               Accepts::between(0, kLargestRate));
  settings.add(
      "train.threads", &train.threads,
      "number of CPU threads per rank; 0 (default): OMP_NUM_THREADS if set, else the "
      "available processors (control group quota, affinity), shared by the ranks of a host",
      Accepts::between(0, 1024));
  settings.add("train.seed", &train.seed, "of all random numbers", Accepts::at_least(0));
}

void bind(Settings& settings, ParallelSettings& parallel) {
  settings.add("parallel.shard", &parallel.shard, "what the ranks keep only once, each its part",
               Accepts::one_of({"none", "optimizer", "gradients"}));
  settings.add("parallel.bucket_bytes", &parallel.bucket_bytes,
               "of gradients that travel at once, or auto: as suits the link between the ranks",
               Accepts::between(1, kMostBytes));
  settings.add(
      "parallel.strict", &parallel.strict,
      "whether losses and parameters are the same bits on any number of ranks and threads");
  settings.add(
      "parallel.slots", &parallel.slots,
      "strict: pieces of a batch that are computed as one, in place of micro-batches, or auto: "
      "the largest number up to 8 that divides the batch",
      Accepts::between(1, 65536));
  settings.add("parallel.timeout_seconds", &parallel.timeout_seconds,
               "how long a rank waits for the others before it gives them up",
               Accepts::between(1, kMostSeconds));
  settings.add("parallel.check_every", &parallel.check_every,
               "steps between looks whether all ranks hold the same numbers; 0: never",
               Accepts::between(0, kMostSteps));
  settings.add("parallel.wire", &parallel.wire, "what gradients cross the network as",
               Accepts::one_of({"float32", "bfloat16"}));
  settings.add("parallel.power_sgd_rank", &parallel.power_sgd_rank,
               "PowerSGD: of what crosses the network for a matrix; 0: all of it",
               Accepts::between(0, 1024));
  settings.add("parallel.diloco_steps", &parallel.diloco_steps,
               "DiLoCo: that each rank takes on its own; 0: they take each together",
               Accepts::between(0, kMostSteps));
  settings.add("parallel.outer_learning_rate", &parallel.outer_learning_rate,
               "DiLoCo: of the step that they then take together", Accepts::positive(kLargestRate));
  settings.add("parallel.outer_momentum", &parallel.outer_momentum,
               "DiLoCo: Nesterov's, of that step", Accepts::below_one());
}

void bind(Settings& settings, CheckpointSettings& checkpoint) {
  settings.add("checkpoint.every", &checkpoint.every,
               "steps, or auto: as often as is worth its cost; one is saved at the end as well",
               Accepts::between(1, kMostSteps));
  settings.add("checkpoint.failures_per_day", &checkpoint.failures_per_day,
               "auto: of the whole job; 0: not known, saving takes 3 % of the time at most",
               Accepts::between(0, 1e6));
  settings.add("checkpoint.keep", &checkpoint.keep, "the newest so many",
               Accepts::between(1, kMostCheckpoints));
  settings.add("checkpoint.keep_every", &checkpoint.keep_every,
               "those of steps that are multiples of it; 0: none", Accepts::between(0, kMostSteps));
  settings.add("checkpoint.keep_best", &checkpoint.keep_best,
               "so many of the best by validation; each new best is saved",
               Accepts::between(0, 1000));
  settings.add("checkpoint.best_by", &checkpoint.best_by, "what is best",
               Accepts::one_of({"validation_loss", "accuracy"}));
  settings.add("checkpoint.stop_on_failure", &checkpoint.stop_on_failure,
               "a save that fails ends the run; else it goes on and tries again");
  InitialParameters& initial = checkpoint.initial;
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

void bind(Settings& settings, LogSettings& log) {
  settings.add("log.every", &log.every, "steps between lines of metrics.jsonl",
               Accepts::between(1, kMostSteps));
}

}  // namespace ripieno
