#include "ripieno/training/run/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/profiled.h"
#include "ripieno/core/error.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/files/file_lock.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/report.h"
#include "ripieno/io/run/run_account.h"
#include "ripieno/training/metrics/tensor_histograms.h"
#include "ripieno/training/run/product_algorithms.h"
#include "ripieno/training/run/rank_facts.h"
#include "ripieno/training/run/run_checkpoints.h"
#include "ripieno/training/run/run_record.h"

namespace ripieno {
namespace {

std::string description_of(const SafetyOptions& safety) {
  constexpr const char* kNames[] = {"stop", "skip", "rollback"};
  return fmt::format("{}, outlier factors {} and {}, rollbacks {}",
                     kNames[static_cast<int>(safety.on_bad_step)], safety.outlier_factor,
                     safety.loss_outlier_factor, safety.max_rollbacks);
}

std::string description_of(const ProfileOptions& profile) {
  if (profile.file.empty()) return "none";
  return fmt::format("{} to {}", profile.first_step, profile.last_step);
}

// What must be equal on all ranks so that they call the same collectives on parts of the same data.
std::vector<distributed::Fact> facts_of(const io::Loader& loader, const RunOptions& options) {
  const auto every = options.checkpoint_every;
  return {{"the data", loader.fingerprint()},
          {"the batch size", std::to_string(loader.batch_size())},
          {"the number of steps", std::to_string(options.steps)},
          {"the checkpoint interval", every ? std::to_string(*every) : "auto"},
          {"the validation interval", std::to_string(options.evaluate_every)},
          {"the log interval", std::to_string(options.log_every)},
          {"the interval of rank checks", std::to_string(options.check_every)},
          {"the handling of bad steps", description_of(options.safety)},
          {"the profiled steps", description_of(options.profile)},
          {"the resume mode",
           options.resume == "auto" || options.resume == "never" ? options.resume : "from a path"}};
}

// Otherwise the parts of a batch, or of the held-out data, would not be whole slots.
void require_slots_of(const distributed::DataParallel& parallel, io::Part part) {
  if (parallel.slots() == part.slots) return;
  throw ConfigurationError(
      fmt::format("run: DataParallel has {} slots, the session has {}; they must match: call "
                  "Session::set_slots({}) before constructing the loader",
                  parallel.slots(), part.slots, parallel.slots()));
}

// A schedule without a peak has the optimizer's learning rate, which resuming changes.
RunOptions with_peak(RunOptions options, const optim::Optimizer& optimizer) {
  auto& schedule = options.schedule;
  if (schedule && !schedule->peak) schedule->peak = optimizer.learning_rate();
  return options;
}

RunSavesOptions saves_of(const io::RunPaths& paths, const RunOptions& options) {
  return {.directory = paths.checkpoints(),
          .schedule = {options.checkpoint_every, options.failures_per_day},
          .keep = options.keep};
}

// Without a DataParallel, which would do this. Checkpoints contain pieces of all ranks.
void broadcast_buffers(Session& session, const io::State& tensors) {
  if (session.size() == 1) return;
  for (const auto& tensor : tensors) {
    if (tensor.kind == io::StateKind::buffer) session.communicator().broadcast(tensor.part, 0);
  }
}

int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::string memory_line(distributed::DataParallel& parallel) {
  const auto report = parallel.memory_report();
  const int64_t bytes = report.persistent_bytes();
  return fmt::format(
      "memory per rank: {:.1f} MiB, {:.2f} bytes per parameter; buckets of {:.3g} MiB",
      static_cast<double>(bytes) / (1 << 20), report.per_parameter(bytes),
      static_cast<double>(parallel.bucket_size().bytes) / (1 << 20));
}

void warn_of_unused(const distributed::DataParallel& parallel, RunLog& log) {
  const auto& names = parallel.unused_parameters();
  if (names.empty()) return;
  const auto shown = std::min<std::ptrdiff_t>(5, std::ssize(names));
  log.warn(
      fmt::format("parameters that the loss of the first step does not depend on ({}): {}{}; "
                  "they are not trained: use them in the model, or freeze() them",
                  names.size(), fmt::join(names.begin(), names.begin() + shown, ", "),
                  shown < std::ssize(names) ? ", …" : ""));
}

void warn_of_absent_locks(const io::RunPaths& paths, RunLog& log) {
  const std::string why = io::reason_for_missing_locks(paths.lock());
  if (why.empty()) return;
  log.warn(
      fmt::format("{}: the file system does not support locks ({}), so a second run in this "
                  "directory would not be detected; do not start one, or use another file system",
                  paths.directory, why));
}

double elapsed_since(StepClock::Clock::time_point start) {
  return std::chrono::duration<double>(StepClock::Clock::now() - start).count();
}

// Only the report needs it, so nothing fails if storage does.
void write_progress(const io::RunPaths& paths, const nlohmann::json& progress) {
  try {
    io::note_progress(io::local_files(), paths, progress);
  } catch (const Error&) {
  }
}

}  // namespace

Run::Run(const std::string& directory, Session& session, nn::Module& model,
         optim::Optimizer& optimizer, io::Loader& loader, const RunOptions& options)
    : session_(session),
      optimizer_(optimizer),
      loader_(loader),
      options_(with_peak(options, optimizer)),
      paths_{directory},
      exceptions_(std::uncaught_exceptions()),
      profile_(session, profile_options()),
      state_(session, model, optimizer, loader, options_),
      validation_(
          session, model, loader,
          options.evaluation_batch_size > 0 ? options.evaluation_batch_size : loader.batch_size()) {
  session_.together([&] { check(options_); });
  session_.together([&] { require_safety(); });
  if (options_.parallel) require_slots_of(*options_.parallel, session_);
  auto facts = facts_of(loader, options_);
  for (auto& fact : facts_of_validation(options_.evaluation_batch_size, validation_.has_samples()))
    facts.push_back(std::move(fact));
  facts.push_back({"the run directory", directory});
  session_.require_agreement(facts);
  session_.together([&] {
    if (session_.rank() == 0) directory_ = std::make_unique<io::RunDirectory>(directory);
  });
  watch_ = std::make_unique<RunWatch>(session_, model,
                                      RunWatchOptions{.directory = directory,
                                                      .reader_threads = loader.reader_threads(),
                                                      .parallel = options_.parallel,
                                                      .watch = options_.watch,
                                                      .messages = options_.messages});
  validation_.after_batch([this] { watch_->proceed(); });
  prove_saves(session_, saves_of(paths_, options_), state_.training_state());
  if (options_.safety.skips_steps()) optimizer.skip_bad_steps(options_.safety.outlier_factor);
  resume(model);
  started_step_ = step();
  watch_->enter(Activity::start);
  share_product_algorithms(session_.communicator());
  start_output();
  announce();
}

// The metrics and saves of a run that starts or rolled back. The saves before must be gone, since
// the optimizer waits for one RunSaves only.
void Run::start_output() {
  metrics_ = std::make_unique<RunMetrics>(session_, optimizer_, loader_, options_, *log_);
  metrics_->note_rollbacks(state_.rollbacks().count);
  saves_ = std::make_unique<RunSaves>(session_, optimizer_, step(), saves_options());
  const bool saves_before_end = step() + options_.checkpoint_every.value_or(0) < options_.steps;
  if (saves_before_end) saves_->reserve(state_.tensors());
  metrics_->skip_time();
}

Run::~Run() noexcept(false) {
  const bool left_early = (has_trained_ || is_stepped()) && !over_;
  if (left_early && std::uncaught_exceptions() == exceptions_) finish();
}

void Run::resume(nn::Module& model) {
  RunCheckpoints checkpoints(session_, paths_.checkpoints());
  std::vector<std::string> differences;
  const auto [path, rejected] = checkpoints.resume(
      options_.resume,
      [&](const auto& checkpoint, const auto& how) { differences = state_.load(checkpoint, how); });
  const bool is_new = path.empty() && !options_.initial.path.empty();
  if (is_new) {
    differences = load(options_.initial, session_, model, optimizer_, [&](const auto& from) {
      state_.set_origin(from.path(), from.training_state());
    });
  }
  // Before anything is changed.
  prove_room(session_, saves_of(paths_, options_), [&, &path = path]() -> io::RoomNeeded {
    const bool saves_best = options_.keep.best > 0 && validation_.has_samples();
    const int64_t saves = saves_between(step(), options_.steps, options_.checkpoint_every,
                                        saves_best ? options_.evaluate_every : 0);
    return {.bytes = io::checkpoint_bytes(state_.tensors(), session_.size()),
            .saves = state_.is_finished() ? 0 : saves,
            .keep = options_.keep,
            .resumed_step = path.empty() ? -1 : step()};
  });
  // A new run also sets a checkpoint of step 0 aside.
  if (options_.resume != "auto") checkpoints.set_aside_after(path.empty() ? -1 : step());
  session_.together([&, &path = path] { begin_record(path); });
  for (const auto& line : rejected) log_->warn(line);
  for (const auto& line : differences) log_->warn(line);
  if (!path.empty()) log_->note(fmt::format("resuming after step {} from {}", step(), path));
  if (is_new) log_->note(fmt::format("loaded initial parameters from {}", options_.initial.path));
}

void Run::begin_record(const std::string& resumed_from) {
  std::string remark;
  if (session_.rank() == 0) {
    auto& files = io::local_files();
    if (options_.resume == "never") {
      set_aside(files, paths_.metrics());
      set_aside(files, paths_.events());
    }
    const auto start = start_record(session_, loader_, options_, resumed_from);
    try {
      io::append_start(files, paths_, start);
    } catch (const DataError& error) {
      remark = fmt::format("{}; the file was renamed (.set_aside) and replaced", error.what());
      set_aside(files, paths_.record());
      io::append_start(files, paths_, start);
    }
    exporter_ = std::make_unique<MetricsExporter>(
        options_.metrics,
        MetricsExporter::RunFacts{.directory = paths_.directory,
                                  .device = session_.device(),
                                  .restarts = std::ssize(io::read_record(paths_)["starts"]) - 1,
                                  .utilization_per_token = io::utilization_per_token(start)},
        configuration_of(options_));
  }
  open_log();
  if (!remark.empty()) log_->warn(remark);
  if (session_.rank() == 0) warn_of_absent_locks(paths_, *log_);
}

// A file of metrics has one writer at a time.
void Run::open_log() {
  log_.reset();
  log_ = std::make_unique<RunLog>(paths_, step(), session_.rank() == 0, options_.progress,
                                  options_.messages, exporter_.get());
}

RunSavesOptions Run::saves_options() {
  auto options = saves_of(paths_, options_);
  options.ended = [this](bool succeeded) {
    if (exporter_) exporter_->totals().count_save(succeeded, unix_seconds());
  };
  options.proceeds = [this] { watch_->proceed(); };
  return options;
}

ProfileOptions Run::profile_options() {
  ProfileOptions profile = options_.profile;
  if (!profile.show) profile.show = [this](const std::string& table) { log_->note(table); };
  if (!profile.warn) profile.warn = [this](const std::string& line) { log_->warn(line); };
  return profile;
}

void Run::announce() {
  if (const auto remark = watch_->remark(); !remark.empty()) log_->warn(remark);
  if (!validation_.has_samples() && (options_.evaluate_every > 0 || options_.keep.best > 0)) {
    log_->warn(
        "validation is enabled (train.evaluate_every or checkpoint.keep_best), but no data is held "
        "out for it; the run continues without validation");
  }
  log_->note("saving checkpoints " + saves_->take_description());
  const std::string parallel = options_.parallel ? options_.parallel->description() : "";
  if (!parallel.empty()) log_->note(parallel);
  if (options_.parallel && session_.size() > 1) log_->note(memory_line(*options_.parallel));
}

void Run::validate_with(std::function<Measured(const io::Batch&)> measure) {
  validation_.measure_with(std::move(measure));
}

void Run::after_validation(std::function<void(const io::StepMetrics&)> action) {
  after_validation_ = std::move(action);
}

void Run::keep_and_compare(const std::string& name, const nlohmann::json& value) {
  session_.together([&] { state_.keep_and_compare(name, value); });
}

void Run::keep_in_checkpoints(const std::string& name, const nlohmann::json& value) {
  state_.keep(name, value);
}

nlohmann::json Run::kept(const std::string& name) const { return state_.kept(name); }

std::optional<io::Batch> Run::next() {
  if (step_is_open_ && !over_)
    fail(fmt::format("run: next() was called twice in step {}; end each step with log()",
                     step() + 1));
  if (over_) return std::nullopt;
  if (state_.evaluation_is_pending && validation_.is_possible() && !validate())
    end(ExitStatus::run_again);
  if (!over_ && (state_.is_last() || state_.is_finished())) end(ExitStatus::finished);
  if (over_) return std::nullopt;

  times_.begin_steps();
  profile_.begin_step(step() + 1);
  metrics_->skip_time();
  if (has_trained_) watch_->enter(Activity::step);
  io::Batch batch = read_batch();
  metrics_->charge(StepClock::data);
  saves_->begin_step();
  step_is_open_ = true;
  return batch;
}

io::Batch Run::read_batch() {
  const Profiled profiled("data");
  const trace::Scope traced({.name = "data"});
  return state_.begin_step();
}

void Run::require_open_step(const char* call) const {
  if (over_)
    fail(
        fmt::format("run: {} was called after the run had ended at step {}; leave the loop when "
                    "next() returns nothing, and call finish() after log()",
                    call, step()));
  if (!step_is_open_)
    fail(
        fmt::format("run: {} was called without a batch, after step {}; call next() at the "
                    "beginning of each step and log() once at its end",
                    call, step()));
}

void Run::add(const Loss& loss) {
  require_open_step("add()");
  metrics_->add("run.add", loss, step() + 1);
}

void Run::log(const Loss& loss, const std::vector<io::Metric>& extra) {
  require_open_step("log()");
  metrics_->add("run.log", loss, step() + 1);
  end_step(extra);
}

void Run::log(const std::vector<io::Metric>& extra) {
  require_open_step("log()");
  if (!options_.parallel)
    fail("run: log() without a loss requires RunOptions::parallel; set it or pass the loss");
  end_step(extra);
}

void Run::end_step(const std::vector<io::Metric>& extra) {
  step_is_open_ = false;
  const bool is_first = !std::exchange(has_trained_, true);
  if (is_first && options_.parallel) warn_of_unused(*options_.parallel, *log_);
  saves_->end_step();
  metrics_->charge_step(saves_->take_waited_seconds());
  state_.end_step();
  metrics_->end_step(step(), state_.samples(), extra);
  const auto seconds = metrics_->take_seconds();
  watch_->end_step(step(), seconds);
  times_.add_step(seconds);
  if (exporter_) export_step(seconds);
  if (state_.is_compared()) compare_ranks();

  const bool last = state_.is_last();
  state_.evaluation_is_pending =
      validation_.is_possible() && (state_.is_due(options_.evaluate_every) || last);
  if ((state_.evaluation_is_pending || last) && rolls_back()) return;
  const bool interrupted = state_.evaluation_is_pending && !validate();
  if (over_) return;  // the action after the validation called finish()
  if (last && !interrupted) return end(ExitStatus::finished);
  if (interrupted) return end(ExitStatus::run_again);
  // Ranks that take steps independently do not communicate until the next synchronization.
  if (options_.parallel && !options_.parallel->met()) return;
  std::string failed_save;
  const auto [stop, decision, failures] = saves_->agree(decide(failed_save), watch_->offer_times());
  note_times();
  if (decision == diverged) {
    if (rolls_back()) return;
    catch_up();
    end_diverged(step(), "the loss is not finite");
  }
  if (stop) {
    rolls_back();  // otherwise end() would end the run as diverged
    return end(ExitStatus::run_again);
  }
  if (decision == give_up) {
    session_.together([&] {
      if (!failed_save.empty()) throw StorageError(failed_save);
    });
  }
  if (decision == save && !rolls_back()) begin_save();
}

void Run::export_step(const RunWatch::Seconds& seconds) {
  exporter_->totals().end_step(step(), seconds);
  if (exporter_->wants_histograms(step())) exporter_->write(step(), tensor_histograms(optimizer_));
}

void Run::note_times() {
  const auto slowest = watch_->take_times();
  if (!slowest) return;
  metrics_->note_slowest(*slowest);
  for (const auto& line : {watch_->straggler_line(*slowest), watch_->communication_line()}) {
    if (!line.empty()) log_->warn(line);
  }
}

void Run::synchronize() {
  share_product_algorithms(session_.communicator());
  if (options_.parallel) return options_.parallel->synchronize();
  broadcast_buffers(session_, state_.tensors());
}

Run::Decision Run::decide(std::string& failed_save) {
  if (session_.rank() != 0) return proceed;
  if (metrics_->fault()) return diverged;  // other ranks may detect it later
  failed_save = saves_->take_failure(step());
  if (!failed_save.empty() && options_.stop_on_failed_save) return give_up;
  if (!failed_save.empty())
    log_->warn(failed_save + "; training continues, and the save is retried soon");
  return state_.is_best() || saves_->is_due(step()) ? save : proceed;
}

// Returns false if a signal interrupted the validation, which is then still pending.
bool Run::validate() {
  const NoGrad no_grad;
  const RunWatch::During validating(*watch_, Activity::validation);
  const trace::Scope traced({.name = "validation"});
  const auto start = StepClock::Clock::now();
  catch_up();
  if (options_.parallel) {
    options_.parallel->synchronize_parameters();
  } else {
    broadcast_buffers(session_, state_.tensors());
  }
  const auto measured = measure_held_out();
  metrics_->skip_time();
  if (!measured) return false;
  metrics_->note_validation(*measured);
  state_.note_validation(*measured);
  if (!validation_.was_finite() && !state_.scales_loss())
    end_diverged(step(), "the validation loss is not finite");
  if (after_validation_) after_validation_(*measured);
  if (!over_ && state_.is_out_of_patience()) stop_early();
  metrics_->skip_time();
  const double seconds = elapsed_since(start);
  watch_->add_validation(seconds);
  times_.add(RunTimes::validation, seconds);
  if (exporter_) exporter_->totals().add_evaluation(seconds);
  return true;
}

// With averages in place of the parameters, if the optimizer keeps them.
std::optional<io::StepMetrics> Run::measure_held_out() {
  if (!options_.validates_average || !optimizer_.keeps_average()) return validation_.run(step());
  exchange_average();
  auto measured = validation_.run(step());
  exchange_average();
  return measured;
}

void Run::exchange_average() {
  if (options_.parallel) return options_.parallel->exchange_average();
  optimizer_.exchange_average();
}

void Run::stop_early() {
  const optim::Patience& patience = state_.patience();
  log_->note(fmt::format(
      "early stopping: the validation loss has been above its lowest value, {:.6g}, for {} "
      "validations; the run ends",
      patience.best.value_or(0.0), patience.without_improvement));
  stopped_early_ = true;
  finish();
}

// Called on all ranks after the same step, so all have the same values.
void Run::catch_up() {
  metrics_->catch_up();
  if (const auto& fault = metrics_->fault()) end_diverged(fault->step, fault->what);
}

void Run::compare_ranks() {
  try {
    state_.compare_ranks();
  } catch (const RankFailure&) {
    saves_->wait_for_save();  // it began while the ranks still agreed
    throw;
  }
}

void Run::begin_save() {
  const RunWatch::During saving(*watch_, Activity::save);
  const trace::Scope traced({.name = "save"});
  catch_up();
  synchronize();
  compare_ranks();
  require_finite_state();
  times_.note_save(step());
  saves_->begin(step(), state_.tensors(), state_.training_state(),
                noting_progress(log_->syncing()));
  if (const auto times = saves_->take_shard_times()) {
    if (const auto line = watch_->slow_shard_line(*times); !line.empty()) log_->warn(line);
  }
  if (const auto description = saves_->take_description(); !description.empty())
    log_->note("saving checkpoints " + description);
  metrics_->charge(StepClock::checkpoint);
}

void Run::save_at_end() {
  const RunWatch::During saving(*watch_, Activity::save);
  const trace::Scope traced({.name = "save"});
  const auto start = StepClock::Clock::now();
  synchronize();
  compare_ranks();
  require_finite_state();
  const auto failure = saves_->save_now(
      step(), [&] { return state_.tensors(); }, state_.training_state(), log_->syncing());
  session_.together([&] {
    if (!failure.empty()) throw StorageError(failure);
  });
  times_.add(StepClock::checkpoint, elapsed_since(start));
  // The failure of an earlier save, of which this one was the retry.
  const auto earlier = saves_->take_failure(step());
  if (!earlier.empty()) log_->warn(earlier);
}

nlohmann::json Run::progress() const {
  return progress_record({.first_step = started_step_,
                          .step = step(),
                          .samples = state_.samples(),
                          .skipped_steps = metrics_->skipped(),
                          .rollbacks = state_.rollbacks().count,
                          .skipped_data = metrics_->skipped_data(),
                          .stopped_early = stopped_early_},
                         loader_, times_);
}

// On rank 0 the thread of a save also writes to run.json how far this start has come.
std::function<void()> Run::noting_progress(std::function<void()> before) const {
  if (session_.rank() != 0) return before;
  return [before = std::move(before), paths = paths_, record = progress()] {
    before();
    write_progress(paths, record);
  };
}

bool Run::is_stepped() const { return step_is_open_ && saves_->has_stepped(); }

// A step that changed the parameters counts, so that they are saved under its number.
void Run::leave_open_step() {
  if (!std::exchange(step_is_open_, false)) return;
  if (!saves_->has_stepped()) return state_.undo_begin_step();
  state_.end_step();
  log_->warn(fmt::format(
      "the loop was left between the optimizer's step {} and its log(): the step counts, but has "
      "no line in metrics.jsonl; call log() before leaving the loop",
      step()));
}

void Run::finish() {
  if (over_) return;
  leave_open_step();
  const auto& validated = state_.validated();
  const bool is_validated = validated && validated->step == step();
  state_.evaluation_is_pending = validation_.is_possible() && !is_validated && step() > 0;
  if (state_.evaluation_is_pending && !validate()) return end(ExitStatus::run_again);
  if (over_) return;  // the action after the validation called finish()
  if (!state_.is_last()) state_.finish();
  end(ExitStatus::finished);
}

void Run::end(ExitStatus status) {
  over_ = true;
  status_ = status;
  const bool was_over = state_.is_as_resumed();
  watch_->enter(Activity::end);
  profile_.finish();
  catch_up();
  log_->finish();
  if (!was_over) save_at_end();
  watch_->end(status);
  if (session_.rank() != 0) return;
  finish_metrics();
  write_report();
  log_->note(closing_message(was_over));
}

void Run::finish_metrics() {
  if (!exporter_) return;
  exporter_->finish();
  log_->warn_of_remarks();
}

void Run::write_report() {
  write_progress(paths_, progress());
  try {
    const auto remark = io::write_report(io::local_files(), paths_);
    if (!remark.empty()) log_->warn(remark);
  } catch (const std::exception& error) {
    log_->warn(fmt::format("cannot write the report: {}", error.what()));
  }
}

std::string Run::closing_message(bool was_over) const {
  if (status_ == ExitStatus::run_again) {
    const char* change = options_.resume == "auto" ? "" : " without --resume";
    return fmt::format("stopped and saved after step {}; run the same command{} to continue",
                       step(), change);
  }
  if (was_over) {
    const char* larger = state_.is_out_of_patience() ? "train.early_stopping_patience" : "--steps";
    return fmt::format("already finished at step {}; use a larger {} to continue; report: {}",
                       step(), larger, paths_.report());
  }
  std::string remark;
  if (const int64_t skipped = metrics_->skipped(); skipped > 0)
    remark = fmt::format("; {} bad {} skipped", skipped, skipped == 1 ? "step was" : "steps were");
  if (const int64_t count = state_.rollbacks().count; count > 0)
    remark += fmt::format("; {} {} to an earlier checkpoint", count,
                          count == 1 ? "rollback" : "rollbacks");
  if (const int64_t count = metrics_->skipped_data(); count > 0)
    remark += fmt::format("; {} documents or sequences were left out", count);
  const char* const how = stopped_early_ ? "stopped early" : "finished";
  return fmt::format("{} at step {}{}; report: {}", how, step(), remark, paths_.report());
}

}  // namespace ripieno
