#include "ripieno/distributed/strategies/strict_backward.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/naming_failures.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::distributed {
namespace {

// Elements that a thread adds at a time, few enough for its cache.
constexpr int64_t kBlock = 1 << 15;
constexpr int kColumns = 3;  // of totals_: sum, count, rows

SlotRange slots_of_rank(const Communicator& communicator, int slots) {
  if (slots < communicator.size()) {
    throw ConfigurationError(fmt::format(
        "parallel.slots is {}, but each of the {} ranks requires at least one slot; use "
        "fewer ranks, or parallel.slots={} or more",
        slots, communicator.size(), communicator.size()));
  }
  return slots_of(communicator.rank(), communicator.size(), slots);
}

int threads_for(const Parameters& parameters, SlotRange owned) {
  if (parameters.values().device().is_cuda()) return 1;  // a GPU computes slots one after another
  return std::min(kernels::cpu_threads(), owned.count());
}

}  // namespace

StrictBackward::StrictBackward(const Parameters& parameters, Communicator& communicator, int slots,
                               std::size_t bucket_bytes)
    : parameters_(parameters),
      buffer_updates_(slots),
      communicator_(communicator),
      slots_(slots),
      bucket_bytes_(bucket_bytes),
      owned_(slots_of_rank(communicator, slots)),
      nodes_(nodes_within(owned_, slots)),
      team_(threads_for(parameters, owned_)),
      totals_({slots, kColumns}, DType::float64),
      waiting_(static_cast<std::size_t>(owned_.count())) {}

// With this many sets threads rarely wait for a free one and cannot deadlock: if no other thread is
// working, all siblings have been added, which leaves at most most_nodes_at_once() sets in use.
int StrictBackward::set_count() const {
  return team_.threads() + most_nodes_at_once(owned_, slots_);
}

void StrictBackward::make_sets() {
  if (!sets_.empty()) return;
  Arena& gradients = parameters_.gradients();
  sets_.push_back(std::make_unique<SeparateGradients>(parameters_, gradients));
  for (int i = 1; i < set_count(); ++i) {
    arenas_.push_back(std::make_unique<Arena>(parameters_.shared_layout(), gradients.dtype(),
                                              gradients.device()));
    sets_.push_back(std::make_unique<SeparateGradients>(parameters_, *arenas_.back()));
  }
  tree_sum_ = std::make_unique<TreeSum>(communicator_, slots_, gradients.dtype(),
                                        gradients.device(), bucket_bytes_);
  buckets_ = buckets_of(parameters_.layout(), size_of(gradients.dtype()), bucket_bytes_);
  free_sets_.reserve(sets_.size());
  remaining_additions_.reserve(waiting_.size());
  sums_.reserve(nodes_.size());
}

void StrictBackward::backward(int64_t rows, const LossOf& loss_of, const Tensor& seed) {
  seed_ = seed;
  prepare(rows);
  context_ = random_context();
  try {
    team_.run([&] { take_slots(rows, loss_of); });
  } catch (...) {
    random_context() = context_;
    throw;
  }
  random_context() = context_;
  add_remaining();
}

void StrictBackward::prepare(int64_t rows) {
  if (rows < 1 || rows % owned_.count() != 0) {
    fail(fmt::format(
        "strict mode: {} rows cannot be cut into {} equal slots (those of rank {}, of {} in "
        "total); set slots = {} in the Part of the data loader",
        rows, owned_.count(), communicator_.rank(), slots_, slots_));
  }
  make_sets();
  free_sets_.clear();
  for (auto set = sets_.size(); set-- > 0;) free_sets_.push_back(static_cast<int>(set));
  std::fill(waiting_.begin(), waiting_.end(), Node{});
  totals_.fill(0.0);
  next_ = owned_.begin;
  failed_ = false;
}

void StrictBackward::take_slots(int64_t rows, const LossOf& loss_of) {
  try {
    for (Node node; next_slot(node); add_to_siblings(node)) compute(node, rows, loss_of);
  } catch (...) {
    cancel();
    throw;
  }
}

bool StrictBackward::next_slot(Node& node) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failed_ || next_ == owned_.end || !free_sets_.empty(); });
  if (failed_ || next_ == owned_.end) return false;
  // The first slot gets set 0, the parameters' gradients, where the sum is left.
  node = {{next_, next_ + 1}, free_sets_.back()};
  free_sets_.pop_back();
  if (++next_ == owned_.end) changed_.notify_all();
  return true;
}

void StrictBackward::compute(const Node& node, int64_t rows, const LossOf& loss_of) {
  const int64_t each = rows / owned_.count();
  const int64_t begin = (node.slots.begin - owned_.begin) * each;
  random_context() = context_;
  random_context().first_row += begin;
  SeparateGradients& gradients = gradients_at(node.set);
  const SeparateGradients::Use use(gradients);
  const Loss loss = [&] {
    const trace::Scope traced({.name = "forward"});
    const nn::BufferUpdates::Slot updates(buffer_updates_, node.slots.begin);
    return loss_of(begin, begin + each);
  }();
  double* totals = totals_.data<double>() + node.slots.begin * kColumns;
  totals[0] = loss.sum.item();
  totals[1] = loss.count.item();
  totals[2] = static_cast<double>(each);
  loss.sum.backward(seed_);
  gradients.complete();
}

// Adds `node` to its sibling if that is complete, then their parent to its sibling, and so on.
// Stops once all slots have been started: add_remaining() then adds on all threads together.
void StrictBackward::add_to_siblings(Node node) {
  std::unique_lock lock(mutex_);
  for (Node other; next_ < owned_.end && take_sibling(node, other);) {
    lock.unlock();
    const auto& [left, right] =
        node.slots.begin < other.slots.begin ? std::pair(node, other) : std::pair(other, node);
    add_into(gradients_at(left.set).flat(), gradients_at(right.set).flat());
    lock.lock();
    free_sets_.push_back(right.set);
    changed_.notify_one();
    node = {parent_of(node.slots, slots_), left.set};
  }
  waiting_at(node.slots.begin) = node;
}

bool StrictBackward::take_sibling(const Node& node, Node& sibling) {
  const SlotRange parent = parent_of(node.slots, slots_);
  const bool is_left = parent.begin == node.slots.begin;
  const SlotRange range =
      is_left ? SlotRange{node.slots.end, parent.end} : SlotRange{parent.begin, node.slots.begin};
  if (range.count() == 0 || range.begin < owned_.begin || range.end > owned_.end) return false;
  Node& waiting = waiting_at(range.begin);
  if (waiting.set < 0 || waiting.slots != range) return false;
  sibling = std::exchange(waiting, {});
  return true;
}

void StrictBackward::cancel() {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  changed_.notify_all();
}

void StrictBackward::add_remaining() {
  remaining_additions_.clear();
  sums_.clear();
  for (const SlotRange& node : nodes_) sums_.push_back(gradients_at(list_additions(node)).flat());
  if (remaining_additions_.empty()) return;
  const int64_t elements = parameters_.layout().elements();
  std::atomic<int64_t> next_block = 0;
  team_.run([&] {
    for (int64_t begin; (begin = kBlock * next_block++) < elements;) {
      const int64_t end = std::min(begin + kBlock, elements);
      for (const auto& [into, from] : remaining_additions_) {
        add_into(sets_[into]->range(begin, end), sets_[from]->range(begin, end));
      }
    }
  });
}

// Appends the additions that still remain to complete `node`; returns its set.
int StrictBackward::list_additions(SlotRange node) {
  const Node& waiting = waiting_at(node.begin);
  if (waiting.set >= 0 && waiting.slots == node) return waiting.set;
  const int left = list_additions({node.begin, middle_of(node)});
  const int right = list_additions({middle_of(node), node.end});
  remaining_additions_.push_back({static_cast<std::size_t>(left), static_cast<std::size_t>(right)});
  return left;
}

Loss StrictBackward::finish() {
  for (const Bucket& bucket : buckets_) {
    naming_failures([&] { return "gradients of " + name_of(bucket, parameters_.layout()); },
                    [&] { tree_sum_->sum(sums_, bucket.begin, bucket.end); });
  }
  // Each rank contributes zeros for the slots of the others.
  if (communicator_.size() > 1) {
    naming_failures([] { return std::string("loss of a step"); },
                    [&] { communicator_.all_reduce(totals_); });
  }
  require_equal_slots();
  apply_buffer_updates();
  parameters_.mark_gradients_present();
  const SlotRange all{0, slots_};
  return {Tensor::full({}, total(0, all), DType::float64),
          Tensor::full({}, total(1, all), DType::float64)};
}

double StrictBackward::total(int column, SlotRange node) const {
  if (node.count() == 1) return totals_.data<double>()[node.begin * kColumns + column];
  const int middle = middle_of(node);
  return total(column, {node.begin, middle}) + total(column, {middle, node.end});
}

void StrictBackward::require_equal_slots() const {
  const double* totals = totals_.data<double>();
  for (int slot = 1; slot < slots_; ++slot) {
    if (totals[slot * kColumns + 2] == totals[2]) continue;
    fail(fmt::format(
        "strict mode: slot {} has {} rows, slot 0 has {}; they must match: set slots = {} "
        "in the Part of every data loader, and use a batch size divisible by it",
        slot, totals[slot * kColumns + 2], totals[2], slots_));
  }
}

// A rank has the updates of its own slots. Those of the others are received as one row per slot.
void StrictBackward::apply_buffer_updates() {
  const auto& updates = buffer_updates_.of(owned_.begin);
  if (updates.empty()) return;
  const NoGrad no_grad;
  int64_t elements = 0;
  for (const auto& update : updates) elements += update.value.elements();
  const Tensor values =
      Tensor::zeros({slots_, elements}, DType::float32, updates.front().buffer.device());
  const auto for_each_value = [&](int slot, const auto& body) {
    int64_t begin = 0;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      const int64_t end = begin + updates[i].value.elements();
      body(i,
           values.slice(0, slot, slot + 1).slice(1, begin, end).reshape(updates[i].value.shape()));
      begin = end;
    }
  };
  for (int slot = owned_.begin; slot < owned_.end; ++slot) {
    const auto& mine = buffer_updates_.of(slot);
    if (mine.size() != updates.size())
      fail(
          fmt::format("strict mode: slot {} updated {} buffers, slot {} updated {}; each forward "
                      "must update the same ones",
                      slot, mine.size(), owned_.begin, updates.size()));
    for_each_value(slot, [&](std::size_t i, Tensor value) { value.copy_from(mine[i].value); });
  }
  if (communicator_.size() > 1) {
    naming_failures([] { return std::string("buffers"); },
                    [&] { communicator_.all_reduce(values); });
  }
  for (int slot = 0; slot < slots_; ++slot) {
    for_each_value(slot, [&](std::size_t i, const Tensor& value) {
      nn::BufferUpdates::add({updates[i].buffer, value, updates[i].share});
    });
  }
}

int64_t StrictBackward::bytes_beside_gradients() {
  make_sets();
  int64_t bytes = tree_sum_->bytes();
  for (const auto& arena : arenas_) bytes += arena->bytes();
  return bytes;
}

std::string StrictBackward::description() const {
  const int ranks = communicator_.size();
  const int least = slots_ / ranks, most = (slots_ + ranks - 1) / ranks;
  const auto bytes = static_cast<double>(parameters_.layout().elements()) *
                     static_cast<double>(size_of(parameters_.gradients().dtype()));
  return fmt::format(
      "strict mode: {} slots, {} per rank, {} computed at once, {} sets of gradients of {:.3g} "
      "MiB; train_step --strict measures its overhead",
      slots_, least == most ? fmt::format("{}", least) : fmt::format("{} or {}", least, most),
      team_.threads(), set_count(), bytes / (1 << 20));
}

}  // namespace ripieno::distributed
