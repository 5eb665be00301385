// Keeper: saves and resumes a training loop that does not use Run.
//
//   Keeper keeper("checkpoints", session, model, optimizer, {.loader = &loader});  // resumes
//   while (keeper.step() < 1000 && !keeper.stops()) {
//     … one step …
//     keeper.end_step();  // saves when it is time
//   }
//   keeper.save();
//
// Checkpoints are those of a Run: any number of ranks loads them, and `ripieno` inspects and
// converts them. Every rank has a Keeper; all calls are collectives.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/files/json.h"
#include "ripieno/training/run/step_clock.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/watch/watch_options.h"

namespace ripieno {

class RunSaves;
class RunWatch;

struct KeeperOptions {
  // In steps; empty: an interval in time, from the measured cost of saving (save_schedule.h).
  std::optional<int64_t> every = {};
  io::Retention keep = {};
  // Its position is saved and restored; null: the program restores the position itself.
  io::Loader* loader = nullptr;
  // Required on several ranks: makes them equal before a save.
  distributed::DataParallel* parallel = nullptr;
  // Where each rank records what it does, in ranks/, for `ripieno explain` (docs/flight_record.md);
  // empty: nothing is recorded.
  std::string run_directory = {};
  // Of the watchdog, which requires a run_directory. A step is the time between two calls of
  // end_step(), but for saves; all that the program does in between counts.
  WatchOptions watch = {};
  std::FILE* messages = nullptr;  // for warnings of rank 0 and of the watchdog; null: none
};

class Keeper {
 public:
  // Loads the newest intact checkpoint in `directory`, if there is one. What is passed by reference
  // or pointer must outlive the keeper; construct DataParallel first. Throws ConfigurationError if
  // an option is invalid, the directory cannot be used or the checkpoint is of another model,
  // DataError if all checkpoints are damaged.
  Keeper(const std::string& directory, Session& session, nn::Module& model,
         optim::Optimizer& optimizer, const KeeperOptions& options = {});
  // Waits for a save in the background, unless an exception is being handled.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // The number of steps that are done, with those before the checkpoint.
  int64_t step() const { return step_; }
  // Whether a rank was requested to stop, by a signal or ask_to_stop(), before the last end_step();
  // the same on all ranks.
  bool stops() const { return stops_; }
  // The checkpoint that was loaded; empty if there was none.
  const std::string& resumed_from() const { return resumed_from_; }

  // Ends a step: starts a save in the background if one is due. Sets random_context().step to
  // step(). Throws StorageError if the previous save failed; earlier checkpoints are intact.
  void end_step();
  // Saves now, unless the checkpoint that was loaded is of this step. Returns when the checkpoint
  // is committed. Throws StorageError.
  void save();

 private:
  void load(const std::string& directory);
  void begin_step();
  void start_watch();
  void measure_step();
  void note_times();
  void warn(const std::string& line) const;
  void synchronize();
  void require_saved(const std::string& failure);
  nlohmann::json training_state();

  Session& session_;
  nn::Module& model_;
  optim::Optimizer& optimizer_;
  const KeeperOptions options_;
  const int exceptions_;  // uncaught exceptions at construction
  int64_t step_ = 0;
  int64_t resumed_step_ = -1;
  bool stops_ = false;
  std::string resumed_from_;
  std::unique_ptr<RunWatch> watch_;  // null without KeeperOptions::run_directory
  StepClock clock_;                  // of the time of steps
  std::unique_ptr<RunSaves> saves_;
};

}  // namespace ripieno
