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

// Elements that a thread adds up at once: little enough to stay in its cache.
constexpr int64_t kBlock = 1 << 15;
// What crosses the network at once: each rank has room for all ranks' nodes of it.
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
constexpr int kColumns = 3;  // of totals_

SlotRange own_slots(const Communicator& communicator, int slots) {
  if (slots < communicator.size()) {
    throw ConfigurationError(
        fmt::format("strict mode: {} slots cannot be shared by {} ranks; use fewer ranks, or "
                    "parallel.slots = {} or more",
                    slots, communicator.size(), communicator.size()));
  }
  return slots_of(communicator.rank(), communicator.size(), slots);
}

int threads_for(const Parameters& parameters, SlotRange own) {
  if (parameters.values().device().is_cuda()) return 1;  // a device takes one operation at a time
  return std::min(kernels::cpu_threads(), own.count());
}

}  // namespace

StrictBackward::StrictBackward(const Parameters& parameters, Communicator& communicator, int slots,
                               std::size_t bucket_bytes)
    : parameters_(parameters),
      communicator_(communicator),
      slots_(slots),
      bucket_bytes_(bucket_bytes),
      own_(own_slots(communicator, slots)),
      nodes_(nodes_within(own_, slots)),
      team_(threads_for(parameters, own_)),
      totals_({slots, kColumns}, DType::float64),
      waiting_(static_cast<std::size_t>(own_.count())) {}

// With these many no thread waits for a place for long, and never for ever: where no other is at
// work, all nodes that can be added are.
int StrictBackward::place_count() const {
  return team_.threads() + most_nodes_at_once(own_, slots_);
}

void StrictBackward::make_places() {
  if (!places_.empty()) return;
  Arena& own = parameters_.gradients();
  places_.push_back(std::make_unique<SeparateGradients>(parameters_, own));
  for (int i = 1; i < place_count(); ++i) {
    arenas_.push_back(
        std::make_unique<Arena>(parameters_.shared_layout(), own.dtype(), own.device()));
    places_.push_back(std::make_unique<SeparateGradients>(parameters_, *arenas_.back()));
  }
  tree_sum_ =
      std::make_unique<TreeSum>(communicator_, slots_, own.dtype(), own.device(), bucket_bytes_);
  buckets_ = buckets_of(parameters_.layout(), size_of(own.dtype()), bucket_bytes_);
  free_.reserve(places_.size());
  left_to_add_.reserve(waiting_.size());
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
  add_what_is_left();
}

void StrictBackward::prepare(int64_t rows) {
  if (rows < 1 || rows % own_.count() != 0) {
    fail(
        fmt::format("strict mode: {} rows are not {} equal slots, which are rank {}'s of {}; give "
                    "the loader a Part with slots = {}",
                    rows, own_.count(), communicator_.rank(), slots_, slots_));
  }
  make_places();
  free_.clear();
  for (auto place = places_.size(); place-- > 0;) free_.push_back(static_cast<int>(place));
  std::fill(waiting_.begin(), waiting_.end(), Node{});
  totals_.fill(0.0);
  next_ = own_.begin;
  failed_ = false;
}

void StrictBackward::take_slots(int64_t rows, const LossOf& loss_of) {
  try {
    for (Node node; next_slot(node); add_up(node)) compute(node, rows, loss_of);
  } catch (...) {
    give_up();
    throw;
  }
}

bool StrictBackward::next_slot(Node& node) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failed_ || next_ == own_.end || !free_.empty(); });
  if (failed_ || next_ == own_.end) return false;
  node = {{next_, next_ + 1}, free_.back()};  // of the first slot, the first: the sum is left there
  free_.pop_back();
  if (++next_ == own_.end) changed_.notify_all();
  return true;
}

void StrictBackward::compute(const Node& node, int64_t rows, const LossOf& loss_of) {
  const int64_t each = rows / own_.count();
  const int64_t begin = (node.slots.begin - own_.begin) * each;
  random_context() = context_;
  random_context().first_row += begin;
  SeparateGradients& gradients = gradients_at(node.place);
  const SeparateGradients::Use use(gradients);
  const Loss loss = [&] {
    const trace::Scope traced({.name = "forward"});
    return loss_of(begin, begin + each);
  }();
  double* totals = totals_.data<double>() + node.slots.begin * kColumns;
  totals[0] = loss.sum.item();
  totals[1] = loss.count.item();
  totals[2] = static_cast<double>(each);
  loss.sum.backward(seed_);
  gradients.complete();
}

// Adds `node` to its sibling, and their parent to its own, as far as they are there. Not any more
// where no slots are left to be taken: then all threads do it together.
void StrictBackward::add_up(Node node) {
  std::unique_lock lock(mutex_);
  for (Node other; next_ < own_.end && take_sibling(node, other);) {
    lock.unlock();
    const auto& [left, right] =
        node.slots.begin < other.slots.begin ? std::pair(node, other) : std::pair(other, node);
    add_into(gradients_at(left.place).flat(), gradients_at(right.place).flat());
    lock.lock();
    free_.push_back(right.place);
    changed_.notify_one();
    node = {parent_of(node.slots, slots_), left.place};
  }
  waiting_at(node.slots.begin) = node;
}

bool StrictBackward::take_sibling(const Node& node, Node& sibling) {
  const SlotRange parent = parent_of(node.slots, slots_);
  const bool is_left = parent.begin == node.slots.begin;
  const SlotRange wanted =
      is_left ? SlotRange{node.slots.end, parent.end} : SlotRange{parent.begin, node.slots.begin};
  if (wanted.count() == 0 || wanted.begin < own_.begin || wanted.end > own_.end) return false;
  Node& there = waiting_at(wanted.begin);
  if (there.place < 0 || there.slots != wanted) return false;
  sibling = std::exchange(there, {});
  return true;
}

void StrictBackward::give_up() {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  changed_.notify_all();
}

void StrictBackward::add_what_is_left() {
  left_to_add_.clear();
  sums_.clear();
  for (const SlotRange& node : nodes_) sums_.push_back(gradients_at(list_additions(node)).flat());
  if (left_to_add_.empty()) return;
  const int64_t elements = parameters_.layout().elements();
  std::atomic<int64_t> next_block = 0;
  team_.run([&] {
    for (int64_t begin; (begin = kBlock * next_block++) < elements;) {
      const int64_t end = std::min(begin + kBlock, elements);
      for (const auto& [into, from] : left_to_add_) {
        add_into(places_[into]->range(begin, end), places_[from]->range(begin, end));
      }
    }
  });
}

// Those that still make up `node`; returns where it will stand.
int StrictBackward::list_additions(SlotRange node) {
  const Node& there = waiting_at(node.begin);
  if (there.place >= 0 && there.slots == node) return there.place;
  const int left = list_additions({node.begin, middle_of(node)});
  const int right = list_additions({middle_of(node), node.end});
  left_to_add_.push_back({static_cast<std::size_t>(left), static_cast<std::size_t>(right)});
  return left;
}

Loss StrictBackward::finish() {
  for (const Bucket& bucket : buckets_) {
    naming_failures([&] { return "gradients of " + name_of(bucket, parameters_.layout()); },
                    [&] { tree_sum_->sum(sums_, bucket.begin, bucket.end); });
  }
  // Every rank adds zero to the slots of the others.
  if (communicator_.size() > 1) {
    naming_failures([] { return std::string("loss of a step"); },
                    [&] { communicator_.all_reduce(totals_); });
  }
  require_equal_slots();
  parameters_.keep_gradients();
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
    fail(
        fmt::format("strict mode: slot {} has {} rows and slot 0 has {}; every loader needs a "
                    "Part with slots = {}, and a batch that they divide",
                    slot, totals[slot * kColumns + 2], totals[2], slots_));
  }
}

int64_t StrictBackward::bytes_beside_gradients() {
  make_places();
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
      "strict: {} slots, {} a rank, {} at once, with {} sets of gradients of {:.3g} MiB; "
      "train_step --strict measures what it costs",
      slots_, least == most ? fmt::format("{}", least) : fmt::format("{} or {}", least, most),
      team_.threads(), place_count(), bytes / (1 << 20));
}

}  // namespace ripieno::distributed
