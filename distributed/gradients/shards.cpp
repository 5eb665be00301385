#include "ripieno/distributed/gradients/shards.h"

#include <algorithm>

#include "ripieno/core/autograd.h"

namespace ripieno::distributed {
namespace {

// Elements of each part; the last parts may be shorter.
int64_t part_elements(const Bucket& bucket, int size) {
  return (bucket.end - bucket.begin + size - 1) / size;
}

// A bucket as size() parts of equal length: the bucket's own memory if its length is divisible,
// else a padded copy, of which put_own_back() or put_all_back() copies the result back.
class EqualParts {
 public:
  EqualParts(const Tensor& bucket, const ElementRange& owned, int64_t begin, int64_t part,
             const Communicator& ranks)
      : bucket_(bucket), whole_(bucket), part_(part), rank_(ranks.rank()) {
    owned_ = {owned.begin - begin, owned.end - begin};
    const int64_t elements = part * ranks.size();
    if (elements == bucket.elements()) return;
    whole_ = Tensor({elements}, bucket.dtype(), bucket.device());
    whole_.slice(0, 0, bucket.elements()).copy_from(bucket);
    whole_.slice(0, bucket.elements(), elements).fill(0.0);
    is_copy_ = true;
  }

  const Tensor& whole() const { return whole_; }
  Tensor own() const { return whole_.slice(0, rank_ * part_, (rank_ + 1) * part_); }
  void put_own_back() { put_back(owned_); }
  void put_all_back() { put_back({0, bucket_.elements()}); }

 private:
  void put_back(const ElementRange& range) {
    if (!is_copy_) return;
    bucket_.slice(0, range.begin, range.end).copy_from(whole_.slice(0, range.begin, range.end));
  }

  Tensor bucket_, whole_;
  ElementRange owned_;  // relative to the bucket
  int64_t part_;
  int64_t rank_;
  bool is_copy_ = false;
};

EqualParts equal_parts(const Communicator& ranks, const Bucket& bucket, const Tensor& x) {
  return {x, owned_by(bucket, ranks.rank(), ranks.size()), bucket.begin,
          part_elements(bucket, ranks.size()), ranks};
}

class ReduceScatterSum final : public GradientSum {
 public:
  explicit ReduceScatterSum(Communicator& communicator) : communicator_(communicator) {}
  void sum(const Bucket& bucket, const Tensor& gradients) override {
    const NoGrad no_grad;
    EqualParts parts = equal_parts(communicator_, bucket, gradients);
    communicator_.reduce_scatter(parts.own(), parts.whole());
    parts.put_own_back();
  }
  // Each rank owns a range of each bucket.
  bool takes_whole_buckets() const override { return true; }

 private:
  Communicator& communicator_;
};

}  // namespace

ElementRange owned_by(const Bucket& bucket, int rank, int size) {
  const int64_t part = part_elements(bucket, size);
  return {std::min(bucket.begin + rank * part, bucket.end),
          std::min(bucket.begin + (rank + 1) * part, bucket.end)};
}

std::vector<ElementRange> owned_by(const std::vector<Bucket>& buckets, int rank, int size) {
  std::vector<ElementRange> ranges;
  for (const Bucket& bucket : buckets) ranges.push_back(owned_by(bucket, rank, size));
  return ranges;
}

ElementRange tensors_owned_by(const Bucket& bucket, const ArenaLayout& layout, int rank, int size) {
  const int64_t turn = (static_cast<int64_t>(bucket.first_entry) + rank) % size;
  const auto first_tensor_from = [&](int64_t element) {
    for (auto entry = bucket.first_entry; entry < bucket.entries_end; ++entry) {
      if (layout.entries()[entry].offset >= element) return layout.entries()[entry].offset;
    }
    return bucket.end;
  };
  const int64_t part = part_elements(bucket, size);
  return {first_tensor_from(bucket.begin + turn * part),
          first_tensor_from(bucket.begin + (turn + 1) * part)};
}

std::vector<ElementRange> tensors_owned_by(const std::vector<Bucket>& buckets,
                                           const ArenaLayout& layout, int rank, int size) {
  std::vector<ElementRange> ranges;
  for (const Bucket& bucket : buckets)
    ranges.push_back(tensors_owned_by(bucket, layout, rank, size));
  return ranges;
}

std::unique_ptr<GradientSum> sum_by_reduce_scatter(Communicator& communicator) {
  return std::make_unique<ReduceScatterSum>(communicator);
}

void gather_shards(Communicator& communicator, const Bucket& bucket, const Tensor& values) {
  const NoGrad no_grad;
  EqualParts parts = equal_parts(communicator, bucket, values);
  communicator.all_gather(parts.whole(), parts.own());
  parts.put_all_back();
}

void gather_tensors(Communicator& communicator, const Bucket& bucket, const ArenaLayout& layout,
                    const Tensor& values) {
  const NoGrad no_grad;
  for (int rank = 0; rank < communicator.size(); ++rank) {
    const auto [begin, end] = tensors_owned_by(bucket, layout, rank, communicator.size());
    if (begin == end) continue;
    communicator.broadcast(values.slice(0, begin - bucket.begin, end - bucket.begin), rank);
  }
}

}  // namespace ripieno::distributed
