#include "ripieno/training/run/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/profiled.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/random.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/report.h"
#include "ripieno/training/run/rank_facts.h"
#include "ripieno/training/run/run_record.h"
#include "ripieno/training/run/same_numbers.h"

namespace ripieno {
namespace {

// What the ranks must agree on so that they make the same collectives on parts of the same data.
std::vector<distributed::Fact> facts_of(const io::Loader& loader, const RunOptions& options) {
  const auto every = options.checkpoint_every;
  return {{"the data", loader.fingerprint()},
          {"the batch size", std::to_string(loader.batch_size())},
          {"the number of steps", std::to_string(options.steps)},
          {"the steps between checkpoints", every ? std::to_string(*every) : "auto"},
          {"the steps between validations", std::to_string(options.evaluate_every)},
          {"the steps between log lines", std::to_string(options.log_every)},
          {"the steps between looks at the ranks", std::to_string(options.check_every)},
          {"how it resumes",
           options.resume == "auto" || options.resume == "never" ? options.resume : "from a path"}};
}

// Else the ranks' shares of a batch, or of what is held out, would not be whole slots.
void require_slots_of(const distributed::DataParallel& parallel, io::Part part) {
  if (parallel.slots() == part.slots) return;
  throw ConfigurationError(fmt::format(
      "run: a step has {} slots and the session's batches have {}; call Session::set_slots({}) "
      "before the loader is made",
      parallel.slots(), part.slots, parallel.slots()));
}

std::string memory_line(distributed::DataParallel& parallel) {
  const auto report = parallel.memory_report();
  const int64_t bytes = report.persistent_bytes();
  return fmt::format("each rank keeps {:.1f} MiB, {:.2f} bytes a parameter; buckets of {:.3g} MiB",
                     static_cast<double>(bytes) / (1 << 20), report.per_parameter(bytes),
                     static_cast<double>(parallel.bucket_size().bytes) / (1 << 20));
}

// For validation, where the host waits anyway.
io::Batch on_device(io::Batch batch, Device device) {
  batch.inputs = batch.inputs.to(device);
  batch.targets = batch.targets.to(device);
  for (auto& extra : batch.extras) extra.tensor = extra.tensor.to(device);
  return batch;
}

}  // namespace

Run::Run(const std::string& directory, Session& session, nn::Module& model,
         optim::Optimizer& optimizer, io::Loader& loader, const RunOptions& options)
    : session_(session),
      model_(model),
      optimizer_(optimizer),
      loader_(loader),
      batches_(loader, session.device()),
      options_(options),
      paths_{directory},
      checkpoints_(session, paths_.checkpoints()),
      kept_(std::make_unique<nlohmann::json>(nlohmann::json::object())),
      late_metrics_(session.device(), [this](const auto& line) { write(line); }) {
  if (options_.parallel) require_slots_of(*options_.parallel, session_);
  const int64_t batch_size = options_.evaluation_batch_size;
  session_.together(
      [&] { held_out_ = loader_.held_out(batch_size > 0 ? batch_size : loader_.batch_size()); });
  auto facts = facts_of(loader_, options_);
  for (auto& fact : facts_of_validation(options_.evaluation_batch_size, held_out_ != nullptr))
    facts.push_back(std::move(fact));
  session_.require_agreement(facts);
  session_.together([&] {
    if (session_.rank() == 0) directory_ = std::make_unique<io::RunDirectory>(directory);
  });
  prove_saves(session_, paths_.checkpoints(), training_state());
  resume();
  if (!held_out_ && (options_.evaluate_every > 0 || options_.keep.best > 0)) {
    log_->warn(
        "validation was asked for (evaluate_every, keep_best), but the data holds out no "
        "samples for it; there will be none");
  }
  saves_ = std::make_unique<RunSaves>(
      session_, optimizer_, step_,
      RunSavesOptions{.directory = paths_.checkpoints(),
                      .schedule = {options_.checkpoint_every, options_.failures_per_day},
                      .keep = options_.keep});
  told_ = saves_->description();
  log_->note("saving " + told_);
  const std::string parallel = options_.parallel ? options_.parallel->description() : "";
  if (!parallel.empty()) log_->note(parallel);
  if (options_.parallel && session_.size() > 1) log_->note(memory_line(*options_.parallel));
  const bool saves_on_the_way = step_ + options_.checkpoint_every.value_or(0) < options_.steps;
  if (saves_on_the_way) saves_->reserve(state_of(model_, optimizer_));
  clock_.skip();
}

Run::~Run() = default;

void Run::resume() {
  std::vector<std::string> differences;
  const auto [path, rejected] =
      checkpoints_.resume(options_.resume, [&](const auto& checkpoint, const auto& options) {
        differences = load(checkpoint, options);
      });
  const bool is_new = path.empty() && !options_.initial.path.empty();
  if (is_new) differences = ripieno::load(options_.initial, session_, model_, optimizer_);
  if (options_.resume != "auto") checkpoints_.set_aside_after(step_);
  session_.together([&, &path = path] { open_log(path); });
  for (const auto& line : rejected) log_->warn(line);
  for (const auto& line : differences) log_->warn(line);
  if (!path.empty()) log_->note(fmt::format("continuing after step {} ({})", step_, path));
  if (is_new) log_->note(fmt::format("starting with the parameters of {}", options_.initial.path));
}

// What is not as it was when the checkpoint was saved, but does not keep it from being used.
std::vector<std::string> Run::load(const io::Checkpoint& checkpoint,
                                   const io::LoadOptions& options) {
  const std::string& path = checkpoint.path();
  const Position position = position_from_json(checkpoint.training_state());
  checkpoint.load(state_of(model_, optimizer_), options);
  step_ = resumed_step_ = position.step;
  evaluation_pending_ = position.evaluation_pending;
  optimizer_.set_steps_taken(position.optimizer_steps);
  if (position.loss_scale) optimizer_.set_loss_scale_state(*position.loss_scale);
  optimizer_.set_learning_rate(position.learning_rate);
  batches_.seek(position.samples);
  const auto& state = checkpoint.training_state();
  best_.reset();  // of a newer checkpoint that proved damaged on another rank
  if (state.contains("best") && state["best"].is_number()) best_ = state["best"].get<double>();
  std::vector<std::string> differences;
  if (checkpoint.training_state().value("data_fingerprint", "") != loader_.fingerprint()) {
    differences.push_back(path + ": was trained on other data; training goes on with the new data");
  }
  if (position.seed != random_context().seed) {
    differences.push_back(fmt::format("{}: was trained with seed {}; training goes on with seed {}",
                                      path, position.seed, random_context().seed));
  }
  return differences;
}

void Run::open_log(const std::string& resumed_from) {
  if (session_.rank() == 0) {
    if (options_.resume == "never") set_aside(io::local_files(), paths_.metrics());
    io::append_start(
        io::local_files(), paths_,
        start_record(session_, loader_, options_.settings, options_.parallel, resumed_from));
  }
  log_ =
      std::make_unique<RunLog>(paths_, session_.rank() == 0, options_.progress, options_.messages);
}

void Run::validate_with(std::function<Measured(const io::Batch&)> measure) {
  measure_ = std::move(measure);
}

void Run::keep_in_checkpoints(const std::string& name, const nlohmann::json& value) {
  (*kept_)[name] = value;
}

std::optional<io::Batch> Run::next() {
  if (over_) return std::nullopt;
  if (evaluation_pending_ && validates() && !validate()) end(ExitStatus::run_again);
  if (!over_ && step_ >= options_.steps) end(ExitStatus::finished);
  if (over_) return std::nullopt;

  clock_.skip();
  const Profiled profiled("data");
  io::Batch batch = batches_.next();
  if (!rows_checked_) session_.require_whole_batch(batch);
  rows_checked_ = true;
  random_context().step = static_cast<uint64_t>(step_ + 1);
  random_context().first_row = batch.first_row;
  if (options_.schedule) optimizer_.set_learning_rate(options_.schedule->at(step_ + 1));
  clock_.charge(StepClock::data);
  saves_->begin_step();
  return batch;
}

bool Run::is_logged(int64_t step) const {
  return step % options_.log_every == 0 || step >= options_.steps;
}

void Run::add(const Loss& loss) {
  if (options_.parallel || !is_logged(step_ + 1)) return;
  losses_.push_back({loss.sum.detach(), loss.count.detach()});
}

void Run::log(const Loss& loss) {
  add(loss);
  end_step();
}

void Run::log() {
  if (!options_.parallel) fail("run: without a loss, log() needs RunOptions::parallel");
  end_step();
}

void Run::end_step() {
  is_best_ = false;
  saves_->end_step();
  charge_phases();
  ++step_;
  if (step_ < options_.steps) batches_.fetch();
  if (is_logged(step_)) log_step();
  late_metrics_.write_arrived();
  charge_waiting();
  losses_.clear();
  if (is_due(options_.check_every)) compare_ranks();

  const bool last = step_ >= options_.steps;
  evaluation_pending_ = validates() && (is_due(options_.evaluate_every) || last);
  const bool interrupted = evaluation_pending_ && !validate();
  if (last && !interrupted) return end(ExitStatus::finished);
  if (interrupted) return end(ExitStatus::run_again);
  // Ranks that train on their own until they next meet do not meet for this either.
  if (options_.parallel && !options_.parallel->met()) return;
  const auto [stop, decision, failures] = saves_->agree(decide());
  if (stop) return end(ExitStatus::run_again);
  if (decision == give_up) {
    session_.together([&] {
      if (!failed_save_.empty()) throw StorageError(failed_save_);
    });
  }
  if (decision == save) begin_save();
}

void Run::synchronize() {
  if (options_.parallel) options_.parallel->synchronize();
}

Run::Decision Run::decide() {
  if (session_.rank() != 0) return go_on;
  failed_save_ = saves_->take_failure(step_);
  if (!failed_save_.empty() && options_.stop_on_failed_save) return give_up;
  if (!failed_save_.empty())
    log_->warn(failed_save_ + "; training goes on, and the next try is soon");
  return is_best_ || saves_->is_due(step_) ? save : go_on;
}

void Run::charge_phases() {
  clock_.charge(StepClock::forward);
  clock_.step();
  const auto optimizing = options_.parallel ? StepClock::optimizer : StepClock::forward;
  const double waited = saves_->take_waited_seconds();
  if (!options_.parallel) return void(clock_.move(optimizing, StepClock::checkpoint, waited));
  const auto& total = options_.parallel->seconds();
  const auto move = [&](StepClock::Phase to, double distributed::ParallelSeconds::*seconds) {
    // A GPU's seconds come late, and may be more than those of the steps since.
    charged_.*seconds += clock_.move(StepClock::forward, to, total.*seconds - charged_.*seconds);
  };
  move(StepClock::backward, &distributed::ParallelSeconds::backward);
  move(StepClock::communication_exposed, &distributed::ParallelSeconds::communication_exposed);
  move(StepClock::optimizer, &distributed::ParallelSeconds::optimizer);
  clock_.move(optimizing, StepClock::checkpoint, waited);
}

// For a GPU, which is the step's own time.
void Run::charge_waiting() {
  if (session_.device().is_cuda()) clock_.charge(StepClock::forward);
}

void Run::catch_up() {
  late_metrics_.write_all();
  charge_waiting();
}

// Over all ranks, where the step was computed.
Loss Run::loss_of_step() {
  const NoGrad no_grad;
  const distributed::DataParallel* parallel = options_.parallel;
  if (parallel && !parallel->steps_alone()) return parallel->loss();
  if (parallel) losses_.push_back(parallel->loss());
  const Tensor totals = Tensor::zeros({2}, DType::float64, session_.device());
  for (const auto& loss : losses_) {
    add_into(totals.slice(0, 0, 1), loss.sum.to(DType::float64).reshape({1}));
    add_into(totals.slice(0, 1, 2), loss.count.to(DType::float64).reshape({1}));
  }
  if (session_.size() > 1) session_.communicator().all_reduce(totals);
  return {totals.slice(0, 0, 1).reshape({}), totals.slice(0, 1, 2).reshape({})};
}

void Run::log_step() {
  io::StepMetrics line;
  line.step = step_;
  line.learning_rate = optimizer_.learning_rate();
  const double step_seconds = clock_.seconds_without_checkpoint();
  line.seconds = clock_.take(/*knows_phases=*/options_.parallel != nullptr);
  const int64_t units = batches_.position() * loader_.units_per_sample();
  const double rate =
      static_cast<double>(loader_.batch_size() * loader_.units_per_sample()) / step_seconds;
  const bool counts_tokens = loader_.unit() == "tokens";
  (counts_tokens ? line.tokens : line.samples) = units;
  (counts_tokens ? line.tokens_per_s : line.samples_per_s) = rate;
  late_metrics_.add(std::move(line), loss_of_step(), optimizer_);
}

void Run::write(const io::StepMetrics& line) {
  log_->write(line);
  shown_.loss = line.loss;
  shown_.units_per_s = line.tokens_per_s ? *line.tokens_per_s : *line.samples_per_s;
  if (log_->shows_progress()) log_->show(progress());
}

io::ProgressState Run::progress() {
  auto state = shown_;
  state.step = step_;
  state.steps = options_.steps;
  state.unit = loader_.unit();
  state.seconds_left = time_left_.after(step_, options_.steps);
  return state;
}

// False where a signal stopped it; it is then still pending.
bool Run::validate() {
  const NoGrad no_grad;
  catch_up();
  if (options_.parallel) options_.parallel->synchronize_parameters();
  model_.evaluate();
  ValidationSums sums(session_);
  bool stopped = false;
  for (int64_t i = 0; i < held_out_->batches() && !stopped; ++i) {
    const io::Batch batch = on_device(held_out_->batch(i), session_.device());
    sums.add(batch, measure_);
    stopped = session_.stops_now();
  }
  model_.train();
  clock_.skip();
  if (stopped) return false;

  const auto total = sums.finish(session_.communicator());
  io::StepMetrics metrics;
  metrics.step = step_;
  metrics.validation_loss = total.loss / total.count;
  if (total.correct) metrics.accuracy = *total.correct / total.count;
  log_->write(metrics);
  shown_.validation_loss = metrics.validation_loss;
  note_validation(metrics);
  evaluation_pending_ = false;
  return true;
}

void Run::note_validation(const io::StepMetrics& metrics) {
  validated_ = metrics;
  const auto& metric = options_.keep.metric;
  const auto value = metric == "accuracy" ? metrics.accuracy : metrics.validation_loss;
  is_best_ = options_.keep.best > 0 && value && std::isfinite(*value) &&
             (!best_ || io::is_better(metric, *value, *best_));
  if (is_best_) best_ = value;
}

nlohmann::json Run::training_state() const {
  std::optional<optim::LossScale> loss_scale;
  if (optimizer_.scales_loss()) loss_scale = optimizer_.loss_scale_state();
  nlohmann::json state = to_json(Position{.step = step_,
                                          .samples = batches_.position(),
                                          .optimizer_steps = optimizer_.steps_taken(),
                                          .learning_rate = optimizer_.learning_rate(),
                                          .seed = random_context().seed,
                                          .loss_scale = loss_scale,
                                          .evaluation_pending = evaluation_pending_});
  state["data_fingerprint"] = loader_.fingerprint();
  if (validated_ && validated_->step == step_) {
    state["measured"]["validation_loss"] = *validated_->validation_loss;
    if (validated_->accuracy) state["measured"]["accuracy"] = *validated_->accuracy;
  }
  if (best_) state["best"] = *best_;
  if (options_.settings) state["configuration"] = options_.settings->values();
  state.update(*kept_);
  return state;
}

void Run::compare_ranks() {
  const auto* parallel = options_.parallel;
  const bool cannot_tell = session_.size() == 1 || (parallel && !parallel->met());
  if (options_.check_every == 0 || compared_step_ == step_ || cannot_tell) return;
  std::vector<Replicated> numbers = {{"parameters", &model_.parameters().values()}};
  const bool has_own_state = optimizer_.is_sharded() || (parallel && parallel->steps_alone());
  if (!has_own_state) {
    for (const auto& slot : optimizer_.state()) numbers.push_back({slot.name, slot.arena});
  }
  try {
    require_same_numbers(
        session_, numbers, step_,
        {{"the learning rate", fmt::format("{}", optimizer_.learning_rate())},
         {"the number of optimizer steps", fmt::format("{}", optimizer_.steps_taken())},
         {"the seed", fmt::format("{}", random_context().seed)}});
  } catch (const RankFailure&) {
    saves_->let_end();  // it began while the ranks agreed
    throw;
  }
  compared_step_ = step_;
}

void Run::begin_save() {
  catch_up();
  synchronize();
  compare_ranks();
  saves_->begin(step_, state_of(model_, optimizer_), training_state(), log_->syncing());
  if (const auto description = saves_->description(); description != told_)
    log_->note("saving " + (told_ = description));
  clock_.charge(StepClock::checkpoint);
}

void Run::save_at_end() {
  synchronize();
  compare_ranks();
  const auto failure = saves_->save_now(
      step_, [&] { return state_of(model_, optimizer_); }, training_state(), log_->syncing());
  session_.together([&] {
    if (!failure.empty()) throw StorageError(failure);
  });
  // An earlier one, of which this is the next try.
  const auto earlier = saves_->take_failure(step_);
  if (!earlier.empty()) log_->warn(earlier);
}

void Run::end(ExitStatus status) {
  over_ = true;
  status_ = status;
  const bool was_over = resumed_step_ == step_;
  catch_up();
  log_->finish();
  if (!was_over) save_at_end();
  if (session_.rank() != 0) return;
  write_report();
  log_->note(closing_words(was_over));
}

void Run::write_report() {
  try {
    io::write_report(io::local_files(), paths_);
  } catch (const StorageError& error) {
    log_->warn(error.what());
  }
}

std::string Run::closing_words(bool was_over) const {
  if (status_ == ExitStatus::run_again) {
    const char* how = options_.resume == "auto" ? "" : " without --resume";
    return fmt::format("saved after step {}; the same command{} continues", step_, how);
  }
  if (was_over) {
    return fmt::format("finished already, at step {}; a larger --steps goes on: {}", step_,
                       paths_.report());
  }
  return fmt::format("finished at step {}: {}", step_, paths_.report());
}

}  // namespace ripieno
