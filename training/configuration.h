// The sections of a configuration that every training program shares, and their keys.
//
// A program binds those that it uses, and its own, to one table:
//   Settings settings;
//   TrainSettings train;
//   bind(settings, train);
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ripieno/training/run/initial_parameters.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

struct OptimizerSettings {
  std::string kind = "adamw";
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0.9;
  bool nesterov = false;
};

struct ScheduleSettings {
  std::string kind = "cosine";
  int64_t steps = 1000;
  int64_t warmup_steps = 0;
  double final_learning_rate = 0;
  int64_t decay_steps = 0;
};

struct TrainSettings {
  int64_t batch_size = 32;
  int64_t micro_batch_size = 0;
  int64_t evaluate_every = 0;
  int64_t evaluation_batch_size = 0;
  std::string precision = "float32";
  bool tf32 = false;
  bool deterministic = false;
  double gradient_clip = 0;
  int64_t threads = 0;
  int64_t seed = 1;
};

struct ParallelSettings {
  std::string shard = "none";
  std::optional<int64_t> bucket_bytes = {};
  bool strict = false;
  std::optional<int64_t> slots = {};
  int64_t timeout_seconds = 600;
  int64_t check_every = 100;
  std::string wire = "float32";
  int64_t power_sgd_rank = 0;
  int64_t diloco_steps = 0;
  double outer_learning_rate = 0.7;
  double outer_momentum = 0.9;
};

struct CheckpointSettings {
  std::optional<int64_t> every = 1000;
  double failures_per_day = 0;
  int64_t keep = 3;
  int64_t keep_every = 0;
  int64_t keep_best = 0;
  std::string best_by = "validation_loss";
  bool stop_on_failure = false;
  InitialParameters initial = {};
};

struct LogSettings {
  int64_t every = 1;
};

void bind(Settings& settings, OptimizerSettings& optimizer);
void bind(Settings& settings, ScheduleSettings& schedule);
void bind(Settings& settings, TrainSettings& train);
void bind(Settings& settings, ParallelSettings& parallel);
void bind(Settings& settings, CheckpointSettings& checkpoint);
void bind(Settings& settings, LogSettings& log);

}  // namespace ripieno
