#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/host_communicator.h"
#include "ripieno/distributed/communicators/meeting.h"
#include "ripieno/distributed/communicators/sum.h"

namespace ripieno::distributed {
namespace {

// Ranks read each other's tensors directly. Each collective begins by posting their addresses and
// ends with a barrier, so that no rank overwrites what another still reads.
class InProcess final : public HostCommunicator {
 public:
  InProcess(std::shared_ptr<Meeting> meeting, int rank)
      : meeting_(std::move(meeting)), rank_(rank), parts_(static_cast<std::size_t>(size())) {}
  ~InProcess() override { meeting_->leave(rank_); }

  int rank() const override { return rank_; }
  int size() const override { return meeting_->size(); }
  int local_rank() const override { return rank(); }
  int local_size() const override { return size(); }

  std::unique_ptr<Communicator> duplicate() override {
    return group({.kind = Collective::Kind::duplicate}, 0, rank_);
  }
  std::unique_ptr<Communicator> split(int color, int key) override {
    require_color(color);
    return group({.kind = Collective::Kind::split}, color, key);
  }

 private:
  // A rank's arguments to split(); the first rank of a new group creates its meeting.
  struct SplitRequest {
    int color = 0;
    int key = 0;
    int rank = 0;
    std::shared_ptr<Meeting> meeting;
  };

  std::unique_ptr<Communicator> group(const Collective& collective, int color, int key) {
    SplitRequest mine{color, key, rank_, nullptr};
    return named(collective, [&] {
      post(collective, nullptr, reinterpret_cast<const std::byte*>(&mine));
      const std::vector<const SplitRequest*> members = members_of(color);
      if (members[0] == &mine)
        mine.meeting = std::make_shared<Meeting>(static_cast<int>(members.size()));
      arrive();
      const auto rank = std::find(members.begin(), members.end(), &mine) - members.begin();
      auto result = std::make_unique<InProcess>(members[0]->meeting, static_cast<int>(rank));
      result->set_timeout(timeout());
      trace_child(*result, color);
      arrive();
      return result;
    });
  }

  std::vector<const SplitRequest*> members_of(int color) const {
    std::vector<const SplitRequest*> result;
    for (int other = 0; other < size(); ++other) {
      const auto* request = reinterpret_cast<const SplitRequest*>(meeting_->in(other));
      if (request->color == color) result.push_back(request);
    }
    std::stable_sort(result.begin(), result.end(),
                     [](const SplitRequest* a, const SplitRequest* b) { return a->key < b->key; });
    return result;
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    post(collective, x, x);
    const std::size_t size_of_one = collective.element_bytes();
    const auto offset = [&](int64_t element) {
      return static_cast<std::size_t>(element) * size_of_one;
    };
    const Slice mine = slice_of(collective.elements, rank_, size());
    sum_at(offset(mine.begin), collective.dtype, x + offset(mine.begin), mine.elements);
    arrive();
    for (int other = 0; other < size(); ++other) {
      const Slice theirs = slice_of(collective.elements, other, size());
      if (other == rank_ || theirs.elements == 0) continue;
      std::memcpy(x + offset(theirs.begin), meeting_->out(other) + offset(theirs.begin),
                  offset(theirs.elements));
    }
    arrive();
  }

  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    post(collective, out, in);
    sum_at(static_cast<std::size_t>(rank_) * collective.bytes(), collective.dtype, out,
           collective.elements);
    arrive();
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    post(collective, out, in);
    const std::size_t bytes = collective.bytes();
    for (int other = 0; other < size() && bytes > 0; ++other) {
      std::byte* part = out + static_cast<std::size_t>(other) * bytes;
      if (part != meeting_->in(other)) std::memcpy(part, meeting_->in(other), bytes);
    }
    arrive();
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    post(collective, out, in);
    const std::size_t bytes = collective.bytes();
    for (int other = 0; other < size() && bytes > 0; ++other) {
      std::memcpy(out + static_cast<std::size_t>(other) * bytes,
                  meeting_->in(other) + static_cast<std::size_t>(rank_) * bytes, bytes);
    }
    arrive();
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    post(collective, x, x);
    if (rank_ != collective.root && collective.elements > 0) {
      std::memcpy(x, meeting_->in(collective.root), collective.bytes());
    }
    arrive();
  }

  void meet(const Collective& collective) override {
    post(collective, nullptr, nullptr);
    arrive();
  }

  void post(const Collective& collective, std::byte* out, const std::byte* in) {
    meeting_->post(rank_, collective, out, in, timeout());
  }
  void arrive() { meeting_->arrive(rank_, timeout()); }

  // out = sum over the ranks of the elements at `offset` bytes into their in.   out: (elements).
  void sum_at(std::size_t offset, DType dtype, std::byte* out, int64_t elements) {
    for (int rank = 0; rank < size(); ++rank) {
      parts_[static_cast<std::size_t>(rank)] = meeting_->in(rank) + offset;
    }
    sum_in_order(dtype, out, parts_, elements);
  }

  std::shared_ptr<Meeting> meeting_;
  int rank_;
  std::vector<const void*> parts_;  // (size)
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> in_process(int size) {
  if (size < 1) fail(fmt::format("in_process: size must be at least 1, got {}", size));
  auto meeting = std::make_shared<Meeting>(size);
  std::vector<std::unique_ptr<Communicator>> group;
  for (int rank = 0; rank < size; ++rank) {
    group.push_back(std::make_unique<InProcess>(meeting, rank));
  }
  return group;
}

}  // namespace ripieno::distributed
