#include "ripieno/training/run/run_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/training/run/finite.h"
#include "ripieno/training/run/product_algorithms.h"
#include "ripieno/training/run/run_record.h"
#include "ripieno/training/run/same_numbers.h"
#include "ripieno/training/run/training_state.h"

namespace ripieno {
namespace {

constexpr const char* kFinished = "finished_of_steps";
constexpr const char* kKept = "kept";  // the names of the members that the program keeps
constexpr const char* kPlateau = "plateau";
constexpr const char* kPatience = "early_stopping";
constexpr const char* kRollbacks = "rollbacks";
constexpr const char* kLeftOut = "left_out";  // pairs of sample numbers
constexpr const char* kOwnMembers[] = {"step",
                                       "samples",
                                       "optimizer_steps",
                                       "learning_rate",
                                       "random",
                                       "evaluation_pending",
                                       kFinished,
                                       "best",
                                       "data_fingerprint",
                                       "configuration",
                                       "measured",
                                       "loss_scale",
                                       "gradient_norms",
                                       kPlateau,
                                       kPatience,
                                       kRollbacks,
                                       kLeftOut,
                                       kKept,
                                       "matmul_algorithms"};

// RunOptions::steps of a run that the program finished early; -1 if it did not.
int64_t finished_steps(const nlohmann::json& state) {
  const auto found = state.find(kFinished);
  return found != state.end() && found->is_number_integer() ? found->get<int64_t>() : -1;
}

bool ended_early(const nlohmann::json& state) {
  const nlohmann::json::json_pointer ended(fmt::format("/{}/ended", kPatience));
  return state.contains(ended) && state[ended] == true;
}

std::optional<io::StepMetrics> measured_in(const nlohmann::json& state, int64_t step) {
  const auto found = state.find("measured");
  if (found == state.end() || !found->is_object()) return std::nullopt;
  io::StepMetrics metrics{.step = step};
  for (const auto& [name, value] : found->items()) {
    if (value.is_number()) metrics.set({name, value.get<double>()});
  }
  return metrics;
}

RunState::Rollbacks rollbacks_in(const nlohmann::json& state) {
  RunState::Rollbacks rollbacks;
  if (!state.contains(kRollbacks)) return rollbacks;
  rollbacks.count = io::count_member(state, kRollbacks);
  int64_t last = 0;
  for (const auto& range : io::member(state, kLeftOut)) {
    const bool is_pair = range.is_array() && range.size() == 2 && range[0].is_number_integer() &&
                         range[1].is_number_integer();
    const RunState::SampleRange read =
        is_pair ? RunState::SampleRange{range[0], range[1]} : RunState::SampleRange{-1, -1};
    if (read.begin < last || read.end <= read.begin)
      throw DataError(fmt::format("invalid {}: {}", kLeftOut, io::excerpt(range)));
    last = read.end;
    rollbacks.left_out.push_back(read);
  }
  return rollbacks;
}

nlohmann::json to_json(const std::optional<double>& number) {
  return number ? nlohmann::json(*number) : nlohmann::json();
}

nlohmann::json to_json(const optim::Plateau::State& state) {
  return {{"scale", state.scale},
          {"best", to_json(state.best)},
          {"without_improvement", state.without_improvement},
          {"cooling", state.cooling}};
}

// The member "best": a number, or null before the first validation.
std::optional<double> loss_in(const nlohmann::json& state) {
  const nlohmann::json& best = io::member(state, "best");
  if (best.is_null()) return std::nullopt;
  if (!best.is_number()) throw DataError(fmt::format("invalid best: {}", io::excerpt(best)));
  return best.get<double>();
}

optim::Plateau::State plateau_in(const nlohmann::json& state) {
  if (!state.contains(kPlateau)) return {};
  const nlohmann::json& saved = state[kPlateau];
  const nlohmann::json& scale = io::member(saved, "scale");
  if (!scale.is_number() || !(scale.get<double>() >= 0 && scale.get<double>() <= 1))
    throw DataError(fmt::format("invalid scale: {}", io::excerpt(scale)));
  return {.scale = scale.get<double>(),
          .best = loss_in(saved),
          .without_improvement = io::count_member(saved, "without_improvement"),
          .cooling = io::count_member(saved, "cooling")};
}

nlohmann::json kept_in(const nlohmann::json& state) {
  nlohmann::json kept = nlohmann::json::object();
  for (const auto& name : state.value(kKept, nlohmann::json::array())) {
    if (name.is_string() && state.contains(name)) kept[name] = state[name];
  }
  return kept;
}

}  // namespace

RunState::RunState(Session& session, nn::Module& model, optim::Optimizer& optimizer,
                   io::Loader& loader, const RunOptions& options)
    : session_(session),
      model_(model),
      optimizer_(optimizer),
      loader_(loader),
      options_(options),
      batches_(loader, session.device()),
      patience_({.losses = options.early_stopping.patience,
                 .threshold = options.early_stopping.threshold}),
      kept_(std::make_unique<nlohmann::json>(nlohmann::json::object())),
      origin_state_(std::make_unique<nlohmann::json>(nlohmann::json::object())) {
  if (options.schedule && options.schedule->kind == optim::Schedule::Kind::reduce_on_plateau)
    plateau_.emplace(plateau_of(options));
}

RunState::~RunState() = default;

void RunState::set_rollbacks(Rollbacks rollbacks) {
  rollbacks_ = std::move(rollbacks);
  std::ranges::sort(rollbacks_.left_out, {}, &SampleRange::begin);
}

// Also with another batch size than when the ranges were added: then a range also covers the
// samples between the last batch and its begin, so that samples_of() counts back the same way.
void RunState::seek_past_left_out() {
  const int64_t size = loader_.batch_size(), before = batches_.position();
  int64_t position = before;
  for (auto& range : rollbacks_.left_out) {
    if (range.end <= position || range.begin >= position + size) continue;
    range.begin = std::min(range.begin, position);
    position = range.end;
  }
  if (position != before) batches_.seek(position);
}

RunState::SampleRange RunState::samples_of(int64_t step) const {
  int64_t end = samples();
  for (int64_t counted = step_;; --counted) {
    for (auto range = rollbacks_.left_out.rbegin(); range != rollbacks_.left_out.rend(); ++range) {
      if (range->end == end) end = range->begin;
    }
    const int64_t begin = std::max<int64_t>(0, end - loader_.batch_size());
    if (counted <= step) return {begin, end};
    end = begin;
  }
}

io::Batch RunState::begin_step() {
  seek_past_left_out();
  samples_before_step_ = batches_.position();
  io::Batch batch = batches_.next();
  if (!rows_are_checked_) session_.require_whole_batch(batch);
  rows_are_checked_ = true;
  random_context().step = static_cast<uint64_t>(step_ + 1);
  random_context().first_row = batch.first_row;
  if (options_.schedule) optimizer_.set_learning_rate(scheduled_rate());
  return batch;
}

double RunState::scheduled_rate() const {
  const double rate = options_.schedule->at(step_ + 1);
  if (!plateau_) return rate;
  return std::max(std::min(options_.schedule->final, rate), rate * plateau_->scale());
}

void RunState::end_step() {
  is_best_ = false;
  ++step_;
  const bool is_compared = options_.check_every > 0 && session_.size() > 1;
  if (is_compared) rates_.push_back({step_, optimizer_.learning_rate()});
  if (is_last()) return;
  seek_past_left_out();
  batches_.fetch();
}

void RunState::undo_begin_step() { batches_.seek(samples_before_step_); }

void RunState::note_validation(const io::StepMetrics& metrics) {
  validated_ = metrics;
  evaluation_is_pending = false;
  if (const auto loss = metrics.get(io::metric::kValidationLoss)) {
    if (plateau_) plateau_->note(*loss);
    patience_.note(*loss);
  }
  const auto& metric = options_.keep.metric;
  const auto value = metrics.get(metric);
  is_best_ = options_.keep.best > 0 && value && (!best_ || io::is_better(metric, *value, *best_));
  if (is_best_) best_ = value;
}

void RunState::keep(const std::string& name, const nlohmann::json& value) {
  const auto* own = std::find(std::begin(kOwnMembers), std::end(kOwnMembers), name);
  if (own != std::end(kOwnMembers))
    fail(
        fmt::format("run: '{}' cannot be kept in checkpoints: the run itself keeps a value with "
                    "this name; choose another",
                    name));
  (*kept_)[name] = value;
}

nlohmann::json RunState::kept(const std::string& name) const {
  return kept_->value(name, nlohmann::json());
}

void RunState::keep_and_compare(const std::string& name, const nlohmann::json& value) {
  keep(name, value);
  const auto found = origin_state_->find(name);
  if (found == origin_state_->end() || *found == value) return;
  throw ConfigurationError(
      fmt::format("{}: its {} is {}, but this run has {}, for which its parameters are "
                  "meaningless; use the data it was trained on, or {}",
                  origin_, name, io::excerpt(*found), io::excerpt(value), remedy()));
}

// Options that change the meaning of parameters, but not always their shapes, must match.
void RunState::set_origin(const std::string& path, const nlohmann::json& training_state) {
  origin_ = path;
  *origin_state_ = training_state;
  if (!options_.settings) return;
  const nlohmann::json::json_pointer model("/configuration/model");
  if (!training_state.contains(model) || !training_state[model].is_object()) return;
  const auto fixed = options_.settings->fixed_values("model");
  for (const auto& [name, value] : fixed.items()) {
    const auto& saved = training_state[model];
    if (!saved.contains(name) || saved[name] == value) continue;
    throw ConfigurationError(fmt::format(
        "{}: trained with model.{}={}, but this run has {}; use --set model.{}={}, or {}", path,
        name, io::excerpt(saved[name]), io::excerpt(value), name, io::excerpt(saved[name]),
        remedy()));
  }
}

std::string RunState::remedy() const {
  return step_ > 0 ? "another run directory"
                   : "--set checkpoint.allow_differences=true to load it anyway";
}

std::string RunState::not_finite() const {
  const std::string parameter = first_not_finite(model_.parameters());
  if (!parameter.empty()) return "parameter " + parameter;
  const std::string state = first_not_finite(optimizer_);
  return state.empty() ? "" : "optimizer state " + state;
}

std::optional<int64_t> RunState::sample_not_finite(int64_t step) {
  const int64_t first = samples_of(step).begin;
  int64_t mine = -1;
  try {
    batches_.seek(first);
    const io::Batch batch = loader_.next();
    const auto row = first_row_not_finite(batch.inputs);
    if (row) mine = first + batch.first_row + *row;
  } catch (const std::exception&) {  // the error to report is that the run diverged
  }
  for (const int64_t theirs : gather(session_.communicator(), mine)) {
    if (theirs >= 0) return theirs;
  }
  return std::nullopt;
}

io::State RunState::tensors() { return state_of(model_, optimizer_); }

nlohmann::json RunState::training_state() const {
  std::optional<optim::LossScale> loss_scale;
  if (optimizer_.skips_steps()) loss_scale = optimizer_.loss_scale_state();
  nlohmann::json state = to_json(Position{.step = step_,
                                          .samples = batches_.position(),
                                          .optimizer_steps = optimizer_.steps_taken(),
                                          .learning_rate = optimizer_.learning_rate(),
                                          .seed = random_context().seed,
                                          .loss_scale = loss_scale,
                                          .evaluation_pending = evaluation_is_pending});
  state["data_fingerprint"] = loader_.fingerprint();
  if (validated_ && validated_->step == step_) {
    for (const auto& metric : validated_->values) {
      if (const auto value = validated_->get(metric.name)) state["measured"][metric.name] = *value;
    }
  }
  if (best_) state["best"] = *best_;
  if (plateau_) state[kPlateau] = to_json(plateau_->state());
  if (patience_.losses > 0)
    state[kPatience] = {{"best", to_json(patience_.best)},
                        {"without_improvement", patience_.without_improvement},
                        {"ended", finished_steps_ >= 0 && patience_.is_exhausted()}};
  if (finished_steps_ >= 0) state[kFinished] = finished_steps_;
  if (auto configuration = configuration_of(options_); !configuration.empty())
    state["configuration"] = std::move(configuration);
  if (rollbacks_.count > 0) {
    state[kRollbacks] = rollbacks_.count;
    state[kLeftOut] = nlohmann::json::array();
    for (const auto& [begin, end] : rollbacks_.left_out) state[kLeftOut].push_back({begin, end});
  }
  keep_product_algorithms(state);
  for (const auto& [name, value] : kept_->items()) {
    state[kKept].push_back(name);
    state[name] = value;
  }
  return state;
}

std::vector<std::string> RunState::load(const io::Checkpoint& checkpoint,
                                        const io::LoadOptions& options) {
  const auto& state = checkpoint.training_state();
  const Position position = position_from_json(state);
  rollbacks_ = rollbacks_in(state);
  checkpoint.load(tensors(), options);
  step_ = resumed_step_ = position.step;
  compared_step_ = -1;
  rates_.clear();
  is_best_ = false;
  evaluation_is_pending = position.evaluation_pending;
  optimizer_.set_steps_taken(position.optimizer_steps);
  if (position.loss_scale) optimizer_.set_loss_scale_state(*position.loss_scale);
  optimizer_.set_learning_rate(position.learning_rate);
  batches_.seek(position.samples);
  restore_product_algorithms(state);
  // Overwrites the values of a newer checkpoint that was loaded here but is damaged on another
  // rank.
  best_.reset();
  if (state.contains("best") && state["best"].is_number()) best_ = state["best"].get<double>();
  if (plateau_) plateau_->set_state(plateau_in(state));
  patience_.best.reset();
  patience_.without_improvement = 0;
  if (state.contains(kPatience)) {
    patience_.best = loss_in(state[kPatience]);
    patience_.without_improvement = io::count_member(state[kPatience], "without_improvement");
  }
  validated_ = measured_in(state, step_);
  // What early stopping ended goes on if there is more patience now.
  const bool goes_on = ended_early(state) && !patience_.is_exhausted();
  finished_steps_ = goes_on ? -1 : finished_steps(state);
  *kept_ = kept_in(state);
  set_origin(checkpoint.path(), state);
  return differences(checkpoint, position.seed);
}

std::vector<std::string> RunState::differences(const io::Checkpoint& checkpoint,
                                               uint64_t seed) const {
  const std::string& path = checkpoint.path();
  std::vector<std::string> lines;
  if (checkpoint.training_state().value("data_fingerprint", "") != loader_.fingerprint())
    lines.push_back(path + ": trained on other data; training continues on the new data");
  if (seed != random_context().seed) {
    lines.push_back(fmt::format("{}: trained with seed {}; training continues with seed {}", path,
                                seed, random_context().seed));
  }
  return lines;
}

// What a program may have changed on some ranks only, the likeliest first.
std::vector<distributed::Fact> RunState::causes_of_difference() const {
  std::vector<distributed::Fact> facts;
  facts.push_back({"the learning rate", fmt::format("{}", optimizer_.learning_rate())});
  for (const auto& [step, rate] : rates_)
    facts.push_back({fmt::format("the learning rate of step {}", step), fmt::format("{}", rate)});
  for (auto& fact : distributed::facts_of(optimizer_)) facts.push_back(std::move(fact));
  facts.push_back({"the number of optimizer steps", fmt::format("{}", optimizer_.steps_taken())});
  facts.push_back({"the seed", fmt::format("{}", random_context().seed)});
  return facts;
}

void RunState::compare_ranks() {
  const auto* parallel = options_.parallel;
  const bool is_incomparable = session_.size() == 1 || (parallel && !parallel->met());
  if (options_.check_every == 0 || is_incomparable) return;
  std::vector<Replicated> numbers;
  if (compared_step_ != step_) {
    numbers.push_back({"parameters", &model_.parameters().values()});
    const bool has_own_state = optimizer_.is_sharded() || (parallel && parallel->has_local_steps());
    for (const auto& state : optimizer_.state()) {
      if (!has_own_state) numbers.push_back({state.name, state.arena});
    }
  }
  // Each rank updates its own buffers between synchronizations.
  const bool has_buffers = model_.buffers().layout().elements() > 0;
  if (has_buffers && parallel && parallel->buffers_are_equal())
    numbers.push_back({"buffers", &model_.buffers()});
  if (numbers.empty()) return;
  require_same_numbers(session_, numbers, step_, causes_of_difference());
  compared_step_ = step_;
  rates_.clear();
}

}  // namespace ripieno
