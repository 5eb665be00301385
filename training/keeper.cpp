#include "ripieno/training/keeper.h"

#include <fmt/format.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/training/run/product_algorithms.h"
#include "ripieno/training/run/run_checkpoints.h"
#include "ripieno/training/run/run_saves.h"
#include "ripieno/training/run/run_watch.h"
#include "ripieno/training/run/training_state.h"

namespace ripieno {
namespace {

// The decision of rank 0 after a step.
enum Decision : int64_t { proceed, start_save, fail_save };

void check(const KeeperOptions& options, const Session& session) {
  if (options.every.value_or(1) < 1) {
    throw ConfigurationError(
        fmt::format("keeper: every is {}; it must be at least 1, or empty for an interval that "
                    "depends on the cost of saving",
                    *options.every));
  }
  if (session.size() > 1 && options.parallel == nullptr) {
    throw ConfigurationError(
        fmt::format("keeper: KeeperOptions::parallel is null, but there are {} ranks, which must "
                    "be equal when they save; pass the DataParallel",
                    session.size()));
  }
}

// Null if nothing is recorded.
std::unique_ptr<RunWatch::During> during_save(RunWatch* watch) {
  return watch ? std::make_unique<RunWatch::During>(*watch, Activity::save) : nullptr;
}

}  // namespace

Keeper::Keeper(const std::string& directory, Session& session, nn::Module& model,
               optim::Optimizer& optimizer, const KeeperOptions& options)
    : session_(session),
      model_(model),
      optimizer_(optimizer),
      options_(options),
      exceptions_(std::uncaught_exceptions()) {
  check(options, session);
  start_watch();
  RunSavesOptions saves = {
      .directory = directory, .schedule = {.every = options.every}, .keep = options.keep};
  if (watch_) saves.proceeds = [this] { watch_->proceed(); };
  prove_saves(session, saves, training_state());
  load(directory);
  share_product_algorithms(session.communicator());
  saves_ = std::make_unique<RunSaves>(session, optimizer, step_, saves);
  if (watch_) watch_->enter(Activity::start);
  if (options.parallel) clock_.divide_from(options.parallel->seconds());
  clock_.skip();
  begin_step();
}

void Keeper::start_watch() {
  if (options_.run_directory.empty()) return;
  const auto* const loader = options_.loader;
  watch_ = std::make_unique<RunWatch>(
      session_, model_,
      RunWatchOptions{.directory = options_.run_directory,
                      .reader_threads = loader ? loader->reader_threads() : 0,
                      .parallel = options_.parallel,
                      .watch = options_.watch,
                      .messages = options_.messages});
  warn(watch_->remark());
}

// The loop has ended, unless an exception did.
Keeper::~Keeper() {
  saves_.reset();
  if (watch_ && std::uncaught_exceptions() == exceptions_) watch_->end(ExitStatus::finished);
}

void Keeper::warn(const std::string& line) const {
  if (line.empty() || session_.rank() != 0 || options_.messages == nullptr) return;
  fmt::print(options_.messages, "{}\n", line);
  std::fflush(options_.messages);
}

void Keeper::load(const std::string& directory) {
  RunCheckpoints checkpoints(session_, directory);
  const auto found =
      checkpoints.resume("auto", [&](const io::Checkpoint& checkpoint, const io::LoadOptions& how) {
        const Position position = position_from_json(checkpoint.training_state());
        checkpoint.load(state_of(model_, optimizer_), how);
        step_ = resumed_step_ = position.step;
        optimizer_.set_steps_taken(position.optimizer_steps);
        if (position.loss_scale) optimizer_.set_loss_scale_state(*position.loss_scale);
        optimizer_.set_learning_rate(position.learning_rate);
        if (options_.loader) options_.loader->seek(position.samples);
        restore_product_algorithms(checkpoint.training_state());
      });
  resumed_from_ = found.path;
}

void Keeper::begin_step() {
  random_context().step = static_cast<uint64_t>(step_);
  saves_->begin_step();
}

// What the loop does besides the phases of its DataParallel counts as forward.
void Keeper::measure_step() {
  clock_.charge(StepClock::forward);
  if (options_.parallel) clock_.divide(options_.parallel->seconds());
  watch_->end_step(step_, clock_.take_totals());
}

void Keeper::note_times() {
  const auto slowest = watch_->take_times();
  if (!slowest) return;
  warn(watch_->straggler_line(*slowest));
  warn(watch_->communication_line());
}

void Keeper::end_step() {
  saves_->end_step();
  ++step_;
  if (watch_) measure_step();
  begin_step();
  // Ranks that take steps independently do not communicate until they meet.
  if (options_.parallel && !options_.parallel->met()) return;
  std::string failure;
  int64_t decision = proceed;
  if (session_.rank() == 0) {
    failure = saves_->take_failure(step_);
    decision = !failure.empty() ? fail_save : saves_->is_due(step_) ? start_save : proceed;
  }
  const auto agreed =
      saves_->agree(decision, watch_ ? watch_->offer_times() : std::span<int64_t>());
  if (watch_) note_times();
  stops_ = agreed.stop;
  decision = agreed.decision;
  if (decision == fail_save) require_saved(from_rank_0(session_.communicator(), failure));
  if (decision == start_save) {
    const auto saving = during_save(watch_.get());
    synchronize();
    saves_->begin(step_, state_of(model_, optimizer_), training_state(), {});
    if (const auto times = saves_->take_shard_times(); times && watch_)
      warn(watch_->slow_shard_line(*times));
    clock_.charge(StepClock::checkpoint);
    saves_->begin_step();  // the next step did not take the time of beginning the save
  }
}

void Keeper::save() {
  if (step_ == resumed_step_) return;
  const auto saving = during_save(watch_.get());
  synchronize();
  const std::string failure =
      saves_->save_now(step_, [&] { return state_of(model_, optimizer_); }, training_state(), {});
  require_saved(failure);
}

// `failure` is the same on every rank.
void Keeper::require_saved(const std::string& failure) {
  session_.together([&] {
    if (!failure.empty()) throw StorageError(failure);
  });
}

void Keeper::synchronize() {
  share_product_algorithms(session_.communicator());
  if (options_.parallel) options_.parallel->synchronize();
}

nlohmann::json Keeper::training_state() {
  std::optional<optim::LossScale> loss_scale;
  if (optimizer_.skips_steps()) loss_scale = optimizer_.loss_scale_state();
  const io::Loader* loader = options_.loader;
  nlohmann::json state = to_json(Position{.step = step_,
                                          .samples = loader ? loader->position() : 0,
                                          .optimizer_steps = optimizer_.steps_taken(),
                                          .learning_rate = optimizer_.learning_rate(),
                                          .seed = random_context().seed,
                                          .loss_scale = loss_scale});
  if (loader) state["data_fingerprint"] = loader->fingerprint();
  keep_product_algorithms(state);
  return state;
}

}  // namespace ripieno
