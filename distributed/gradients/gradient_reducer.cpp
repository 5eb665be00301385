#include "ripieno/distributed/gradients/gradient_reducer.h"

#include <algorithm>
#include <utility>

#include "ripieno/core/device/profiled.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/naming_failures.h"

namespace ripieno::distributed {

GradientReducer::GradientReducer(const Parameters& parameters, Communicator& communicator,
                                 std::size_t bucket_bytes, OrderedWorker::Mode mode,
                                 const MakeSum& make_sum, const MakeGradients& make_gradients)
    : parameters_(parameters),
      duplicate_(mode == OrderedWorker::Mode::in_thread ? communicator.duplicate() : nullptr),
      communicator_(duplicate_ ? *duplicate_ : communicator),
      gradients_(make_gradients(parameters, communicator_)),
      sum_(make_sum(communicator_)),
      buckets_(
          buckets_of(parameters.layout(), size_of(parameters.gradients().dtype()), bucket_bytes)),
      runs_(buckets_.size()),
      trains_(parameters.size()),
      bucket_of_(parameters.size()),
      awaited_(buckets_.size()),
      totals_({2}, DType::float64, parameters.gradients().device()),
      ranks_with_more_(Tensor::zeros({1}, DType::int64)),
      worker_(
          static_cast<int>(buckets_.size()) + 1, [this](int task) { reduce(task); }, mode,
          totals_.device()) {
  gradients_->lay_out(buckets_);
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    for (auto entry = buckets_[i].first_entry; entry < buckets_[i].entries_end; ++entry) {
      bucket_of_[entry] = i;
    }
  }
  find_trainable_runs();
}

// Recomputes runs_ if parameters were frozen or unfrozen, which must happen on all ranks.
void GradientReducer::find_trainable_runs() {
  if (!update_trainable(trains_, parameters_)) return;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    runs_[i] = runs_of(buckets_[i], parameters_.layout(), trains_);
    if (sum_->takes_whole_buckets() && !runs_[i].empty()) runs_[i] = {buckets_[i]};
  }
}

void GradientReducer::begin(const Tensor& sum, const Tensor& count, bool more) {
  if (more && !gradients_->sums_every_micro_batch()) return;
  if (rounds_ > 0) finish_round();
  loss_ = {sum, count};
  begin_round(more);
}

void GradientReducer::begin_round(bool more) {
  totals_.slice(0, 0, 1).copy_from(loss_.sum.reshape({1}));
  totals_.slice(0, 1, 2).copy_from(loss_.count.reshape({1}));
  *ranks_with_more_.data<int64_t>() = more;
  find_trainable_runs();
  for (std::size_t i = 0; i < buckets_.size(); ++i) awaited_[i] = awaited_of(buckets_[i]);
  ready_ = detached_ = 0;
  active_ = true;
  gradients_->begin_round(/*is_first=*/rounds_ == 0);
  ++rounds_;
  worker_.release(1);
}

void GradientReducer::complete(std::size_t parameter) {
  if (!active_ || !trains_[parameter]) return;
  --awaited_[bucket_of_[parameter]];
  while (ready_ < buckets_.size() && awaited_[ready_] == 0) release();
}

void GradientReducer::complete_all() {
  if (!std::exchange(active_, false)) return;
  gradients_->complete();  // sets missing gradients of unreleased buckets to zero
  while (ready_ < buckets_.size()) release();
}

// Waiting here cannot deadlock: of the buckets that ranks wait for, the one first in order is
// released on all ranks that wait, and will be on those that do not.
void GradientReducer::release() {
  gradients_->take(ready_);
  ++ready_;
  worker_.release(static_cast<int>(ready_) + 1);
  if (ready_ <= gradients_->most_in_flight()) return;
  const std::size_t summed = ready_ - gradients_->most_in_flight();
  worker_.wait(static_cast<int>(summed) + 1);
  detach(summed);
}

// Detaches the first `buckets` buckets, which have been summed.
void GradientReducer::detach(std::size_t buckets) {
  for (; detached_ < buckets; ++detached_) gradients_->detach(detached_);
}

const Tensor& GradientReducer::finish() {
  finish_round();
  while (has_more()) {
    begin_round(/*more=*/false);
    complete_all();
    finish_round();
  }
  rounds_ = 0;
  loss_ = {};
  return totals_;
}

void GradientReducer::finish_round() {
  worker_.finish();
  detach(buckets_.size());
}

std::string GradientReducer::obstacle_to_recording() const {
  if (!sum_->can_be_recorded() || gradients_->sums_every_micro_batch())
    return "the sum of gradients uses memory that a graph does not keep";
  return communicator_.obstacle_to_recording(totals_.device());
}

void GradientReducer::abandon() {
  worker_.abandon();
  active_ = false;
  rounds_ = 0;
  loss_ = {};
}

std::size_t GradientReducer::trained_buckets() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) count += trains(i);
  return count;
}

int64_t GradientReducer::transient_bytes() const {
  int64_t largest = 0;
  bool divides = true;
  for (const Bucket& bucket : buckets_) {
    largest = std::max(largest, bucket.end - bucket.begin);
    divides = divides && (bucket.end - bucket.begin) % communicator_.size() == 0;
  }
  largest *= static_cast<int64_t>(size_of(parameters_.gradients().dtype()));
  const int64_t copy = divides ? 0 : largest;  // padded to equal parts (shards.cpp)
  if (!gradients_->sums_every_micro_batch()) return copy;
  // Buckets that wait, the one being summed, and the one that backward is computing.
  const auto at_once = std::min(buckets_.size(), gradients_->most_in_flight() + 2);
  return copy +
         std::max(gradients_->most_transient_bytes(), static_cast<int64_t>(at_once) * largest);
}

// Task 0 sums the loss, task i + 1 bucket i.
void GradientReducer::reduce(int task) {
  if (task == 0) {
    naming_failures([] { return std::string("loss of a step"); }, [&] { reduce_totals(); });
  } else {
    reduce_bucket(static_cast<std::size_t>(task) - 1);
  }
}

void GradientReducer::reduce_totals() {
  communicator_.all_reduce(totals_);
  if (gradients_->sums_every_micro_batch()) communicator_.all_reduce(ranks_with_more_);
}

void GradientReducer::reduce_bucket(std::size_t index) {
  const Profiled profiled("sum of a bucket");
  const Tensor whole = gradients_->gradients_of(index);
  const trace::Scope traced({.name = "sum of a bucket",
                             .bytes = static_cast<int64_t>(whole.bytes()),
                             .bucket = static_cast<int>(index)});
  for (const Bucket& run : runs_[index]) {
    const int64_t first = buckets_[index].begin;
    naming_failures([&] { return "gradients of " + name_of(run, parameters_.layout()); },
                    [&] { sum_->sum(run, whole.slice(0, run.begin - first, run.end - first)); });
  }
  gradients_->keep(index);
}

std::size_t GradientReducer::awaited_of(const Bucket& bucket) const {
  std::size_t count = 0;
  for (auto entry = bucket.first_entry; entry < bucket.entries_end; ++entry) {
    count += trains_[entry];
  }
  return count;
}

}  // namespace ripieno::distributed
