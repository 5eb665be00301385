#include <algorithm>
#include <cstring>

#include "ripieno/distributed/mpi_communicator.h"
#include "ripieno/distributed/mpi_messages.h"
#include "ripieno/distributed/sum.h"

namespace ripieno::distributed {
namespace {

constexpr int kDepth = 4;                                       // steps under way together
constexpr std::size_t kMessageBytes = std::size_t{48} << 10;    // under MPI's usual eager limit
constexpr std::size_t kScratchBytes = std::size_t{32} << 20;    // of all received pieces
constexpr std::size_t kBroadcastBytes = std::size_t{64} << 20;  // MPI counts in int

// Each rank adds up one slice: it receives that slice from all others, straight from where it was
// made, so that each number crosses the network once and in its own type whatever the order of the
// sum; then it sends the result to all.
class MpiPointToPoint final : public MpiCommunicator {
 public:
  explicit MpiPointToPoint(MPI_Comm comm)
      : MpiCommunicator(comm),
        message_bytes_(std::min(kMessageBytes, kScratchBytes / kDepth / peers() / 64 * 64)),
        scratch_(kDepth * peers() * message_bytes_),
        parts_(peers()) {
    for (int slot = 0; slot < kDepth; ++slot) messages_.emplace_back(communicator(), 2 * size());
  }

 private:
  std::unique_ptr<Communicator> joined(MPI_Comm comm) const override {
    return mpi_point_to_point(comm);
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    const Slice mine = slice_of(collective.elements, rank(), size());
    const std::size_t offset = static_cast<std::size_t>(mine.begin) * collective.element_bytes();
    reduce_slices(collective.dtype, collective.elements, x + offset, x);
    exchange_slices(collective.dtype, collective.elements, x);
  }

  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    reduce_slices(collective.dtype, collective.elements * size(), out, in);
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = out + static_cast<std::size_t>(rank()) * collective.bytes();
    if (mine != in && collective.elements > 0) std::memcpy(mine, in, collective.bytes());
    exchange_slices(collective.dtype, collective.elements * size(), out);
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    const std::size_t bytes = collective.bytes(), here = static_cast<std::size_t>(rank()) * bytes;
    if (bytes > 0) std::memcpy(out + here, in + here, bytes);
    const auto most = static_cast<std::size_t>(message_bytes_);
    const auto start = [&](int64_t step, int slot) {
      const std::size_t begin = static_cast<std::size_t>(step) * most;
      const std::size_t count = std::min(most, bytes - begin);
      for (int i = 1; i < size(); ++i) {
        const int from = (rank() + size() - i) % size(), to = (rank() + i) % size();
        messages_at(slot).receive(out + static_cast<std::size_t>(from) * bytes + begin, count,
                                  from);
        messages_at(slot).send(in + static_cast<std::size_t>(to) * bytes + begin, count, to);
      }
    };
    pipeline(static_cast<int64_t>((bytes + most - 1) / most), start,
             [&](int64_t, int slot) { messages_at(slot).wait(timeout()); });
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    for (std::size_t begin = 0; begin < collective.bytes(); begin += kBroadcastBytes) {
      messages_[0].broadcast(x + begin, std::min(kBroadcastBytes, collective.bytes() - begin),
                             collective.root);
      messages_[0].wait(timeout());
    }
  }

  void meet(const Collective&) override {
    messages_[0].barrier();
    messages_[0].wait(timeout());
  }

  // out: this rank's slice of the sum of every rank's in: (elements).
  void reduce_slices(DType dtype, int64_t elements, std::byte* out, const std::byte* in) {
    const auto start = [&](int64_t step, int slot) {
      const Slice mine = piece_of(rank(), step, dtype, elements);
      for (int i = 1; i < size(); ++i) {
        const int from = (rank() + size() - i) % size(), to = (rank() + i) % size();
        const Slice theirs = piece_of(to, step, dtype, elements);
        if (mine.elements > 0) {
          messages_at(slot).receive(scratch(slot, from), bytes(dtype, mine.elements), from);
        }
        if (theirs.elements > 0) {
          messages_at(slot).send(in + bytes(dtype, theirs.begin), bytes(dtype, theirs.elements),
                                 to);
        }
      }
    };
    const int64_t first = slice_of(elements, rank(), size()).begin;
    const auto finish = [&](int64_t step, int slot) {
      messages_at(slot).wait(timeout());
      const Slice mine = piece_of(rank(), step, dtype, elements);
      for (int from = 0; from < size(); ++from) {
        parts_[static_cast<std::size_t>(from)] =
            from == rank() ? in + bytes(dtype, mine.begin) : scratch(slot, from);
      }
      if (mine.elements > 0) {
        sum_in_order(dtype, out + bytes(dtype, mine.begin - first), parts_, mine.elements);
      }
    };
    pipeline(steps(dtype, elements), start, finish);
  }

  // Every rank's slice of x: (elements) reaches all others.
  void exchange_slices(DType dtype, int64_t elements, std::byte* x) {
    const auto start = [&](int64_t step, int slot) {
      const Slice mine = piece_of(rank(), step, dtype, elements);
      for (int i = 1; i < size(); ++i) {
        const int from = (rank() + size() - i) % size(), to = (rank() + i) % size();
        const Slice theirs = piece_of(from, step, dtype, elements);
        if (theirs.elements > 0) {
          messages_at(slot).receive(x + bytes(dtype, theirs.begin), bytes(dtype, theirs.elements),
                                    from);
        }
        if (mine.elements > 0) {
          messages_at(slot).send(x + bytes(dtype, mine.begin), bytes(dtype, mine.elements), to);
        }
      }
    };
    pipeline(steps(dtype, elements), start,
             [&](int64_t, int slot) { messages_at(slot).wait(timeout()); });
  }

  template <typename Start, typename Finish>
  static void pipeline(int64_t steps, const Start& start, const Finish& finish) {
    for (int64_t step = 0; step < steps + kDepth; ++step) {
      const auto slot = static_cast<int>(step % kDepth);
      if (step >= kDepth && step - kDepth < steps) finish(step - kDepth, slot);
      if (step < steps) start(step, slot);
    }
  }

  // What one message of step `step` holds of the slice of `rank`.
  Slice piece_of(int rank, int64_t step, DType dtype, int64_t elements) const {
    const Slice slice = slice_of(elements, rank, size());
    const int64_t most = elements_a_message(dtype), skipped = step * most;
    return {slice.begin + skipped, std::clamp<int64_t>(slice.elements - skipped, 0, most)};
  }
  // The first slice is the longest.
  int64_t steps(DType dtype, int64_t elements) const {
    const int64_t most = elements_a_message(dtype);
    return (slice_of(elements, 0, size()).elements + most - 1) / most;
  }
  int64_t elements_a_message(DType dtype) const {
    return static_cast<int64_t>(message_bytes_ / size_of(dtype));
  }
  static std::size_t bytes(DType dtype, int64_t elements) {
    return static_cast<std::size_t>(elements) * size_of(dtype);
  }

  std::size_t peers() const { return static_cast<std::size_t>(size()); }
  Messages& messages_at(int slot) { return messages_[static_cast<std::size_t>(slot)]; }
  std::byte* scratch(int slot, int from) {
    return scratch_.data() +
           (static_cast<std::size_t>(slot) * peers() + static_cast<std::size_t>(from)) *
               message_bytes_;
  }

  std::size_t message_bytes_;
  std::vector<std::byte> scratch_;  // (kDepth, size, message_bytes_)
  std::vector<Messages> messages_;  // (kDepth)
  std::vector<const void*> parts_;  // (size)
};

}  // namespace

std::unique_ptr<Communicator> mpi_point_to_point(MPI_Comm communicator) {
  return std::make_unique<MpiPointToPoint>(communicator);
}

}  // namespace ripieno::distributed
