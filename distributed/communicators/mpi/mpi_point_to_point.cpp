#include <algorithm>
#include <cstring>

#include "ripieno/distributed/communicators/mpi/message_plan.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"
#include "ripieno/distributed/communicators/sum.h"

namespace ripieno::distributed {
namespace {

constexpr std::size_t kAtOnceBytes = std::size_t{16} << 10;  // of all ranks' small tensors

// Each rank adds up one slice: it receives that slice from all others, straight from where it was
// made, so that each number crosses the network once and in its own type whatever the order of the
// sum; then it sends the result to all. Both in small steps, many of them under way, and what has
// been added up goes out while the rest still comes in.
class MpiPointToPoint final : public MpiCommunicator {
 public:
  MpiPointToPoint(MPI_Comm comm, int planned_ranks)
      : MpiCommunicator(comm),
        planned_ranks_(planned_ranks > 0 ? planned_ranks : size()),
        message_bytes_(plan_messages(static_cast<std::size_t>(planned_ranks_)).message_bytes),
        depth_(plan_messages(static_cast<std::size_t>(planned_ranks_)).depth),
        scratch_(depth_ * ranks() * message_bytes_),
        parts_(ranks()) {
    for (std::size_t slot = 0; slot < depth_; ++slot) {
      first_.emplace_back(communicator(), 2 * size());
      second_.emplace_back(communicator(), 2 * size());
    }
  }

  // A collective may have failed in one of several steps that were under way.
  void failed() override {
    MpiCommunicator::failed();
    for (std::vector<Messages>* all : {&first_, &second_}) {
      for (Messages& messages : *all) messages.abandon();
    }
  }

 private:
  std::unique_ptr<Communicator> joined(MPI_Comm comm) const override {
    return mpi_messages_as_of(comm, planned_ranks_);
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    const bool fits = collective.bytes() <= message_bytes_;  // but among few, planned as many
    if (fits && collective.bytes() * ranks() <= kAtOnceBytes) return sum_at_once(collective, x);
    const Pieces pieces = pieces_of(collective, collective.elements);
    std::byte* mine = x + pieces.bytes(slice_of(collective.elements, rank(), size()).begin);
    pipeline(
        pieces.steps, [&](int64_t step, std::size_t slot) { scatter(pieces, step, slot, x); },
        [&](int64_t step, std::size_t slot) {
          add_up(pieces, step, slot, mine, x);
          pass_on(pieces, step, slot, x);
        });
  }

  // Small tensors go to all ranks, and each adds them up by itself.
  void sum_at_once(const Collective& collective, std::byte* x) {
    if (collective.elements == 0) return meet(collective);
    const int tag = tag_of(collective);
    for_every_peer([&](int to, int from) {
      first_[0].receive(scratch(0, from), collective.bytes(), from, tag);
      first_[0].send(x, collective.bytes(), to, tag);
    });
    first_[0].wait(timeout());
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] = from == rank() ? x : scratch(0, from);
    }
    sum_in_order(collective.dtype, x, parts_, collective.elements);
  }

  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Pieces pieces = pieces_of(collective, collective.elements * size());
    pipeline(
        pieces.steps, [&](int64_t step, std::size_t slot) { scatter(pieces, step, slot, in); },
        [&](int64_t step, std::size_t slot) { add_up(pieces, step, slot, out, in); });
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = out + static_cast<std::size_t>(rank()) * collective.bytes();
    if (mine != in && collective.elements > 0) std::memcpy(mine, in, collective.bytes());
    const Pieces pieces = pieces_of(collective, collective.elements * size());
    pipeline(
        pieces.steps, [](int64_t, std::size_t) {},
        [&](int64_t step, std::size_t slot) { pass_on(pieces, step, slot, out); });
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    const std::size_t bytes = collective.bytes(), here = static_cast<std::size_t>(rank()) * bytes;
    if (bytes > 0) std::memcpy(out + here, in + here, bytes);
    const Pieces pieces = pieces_of(collective, collective.elements * size());
    pipeline(
        pieces.steps,
        [&](int64_t step, std::size_t slot) {
          for_every_peer([&](int to, int from) {
            receive(first_[slot], pieces, from, step, out, from);
            send(first_[slot], pieces, to, step, in, to);
          });
        },
        [](int64_t, std::size_t) {});
  }

  // The root gives each rank a slice, which passes it on.
  void copy_from_root(const Collective& collective, std::byte* x) override {
    if (collective.elements == 0) return meet(collective);
    const Pieces pieces = pieces_of(collective, collective.elements);
    pipeline(
        pieces.steps,
        [&](int64_t step, std::size_t slot) {
          if (rank() != collective.root)
            return receive(first_[slot], pieces, rank(), step, x, collective.root);
          for_every_peer([&](int to, int) { send(first_[slot], pieces, to, step, x, to); });
        },
        [&](int64_t step, std::size_t slot) {
          for_every_peer([&](int to, int from) {
            if (rank() != collective.root) receive(second_[slot], pieces, from, step, x, from);
            if (to != collective.root) send(second_[slot], pieces, rank(), step, x, to);
          });
        });
  }

  // After the k-th round a rank has heard, by way of others, of 2^k before it.
  void meet(const Collective& collective) override {
    const int tag = tag_of(collective);
    for (int distance = 1; distance < size(); distance *= 2) {
      const int from = (rank() + size() - distance) % size(), to = (rank() + distance) % size();
      first_[0].receive(nullptr, 0, from, tag);
      first_[0].send(nullptr, 0, to, tag);
      first_[0].wait(timeout());
    }
  }

  // A collective cut into steps, in each of which a rank's slice moves by one message.
  struct Pieces {
    DType dtype;
    int tag;
    int64_t elements;  // of all slices
    int64_t most;      // of one message
    int64_t steps;
    std::size_t bytes(int64_t count) const {
      return static_cast<std::size_t>(count) * size_of(dtype);
    }
  };
  Pieces pieces_of(const Collective& collective, int64_t elements) const {
    const auto most = static_cast<int64_t>(message_bytes_ / collective.element_bytes());
    const int64_t longest = slice_of(elements, 0, size()).elements;
    return {collective.dtype, tag_of(collective), elements, most, (longest + most - 1) / most};
  }
  // What the message of step `step` holds of the slice of `rank`.
  Slice piece(const Pieces& pieces, int rank, int64_t step) const {
    const Slice slice = slice_of(pieces.elements, rank, size());
    const int64_t skipped = step * pieces.most;
    return {slice.begin + skipped, std::clamp<int64_t>(slice.elements - skipped, 0, pieces.most)};
  }

  // A piece of the slice of `slice_rank` of x: (pieces.elements).
  void send(Messages& messages, const Pieces& pieces, int slice_rank, int64_t step,
            const std::byte* x, int to) const {
    const Slice sent = piece(pieces, slice_rank, step);
    if (sent.elements == 0) return;
    messages.send(x + pieces.bytes(sent.begin), pieces.bytes(sent.elements), to, pieces.tag);
  }
  void receive(Messages& messages, const Pieces& pieces, int slice_rank, int64_t step, std::byte* x,
               int from) const {
    const Slice received = piece(pieces, slice_rank, step);
    if (received.elements == 0) return;
    messages.receive(x + pieces.bytes(received.begin), pieces.bytes(received.elements), from,
                     pieces.tag);
  }

  // Every rank's piece of x goes to it.
  void scatter(const Pieces& pieces, int64_t step, std::size_t slot, const std::byte* x) {
    const Slice mine = piece(pieces, rank(), step);
    for_every_peer([&](int to, int from) {
      if (mine.elements > 0) {
        first_[slot].receive(scratch(slot, from), pieces.bytes(mine.elements), from, pieces.tag);
      }
      send(first_[slot], pieces, to, step, x, to);
    });
  }

  // out: this rank's slice; x: the whole, of which others' pieces have come.
  void add_up(const Pieces& pieces, int64_t step, std::size_t slot, std::byte* out,
              const std::byte* x) {
    const Slice mine = piece(pieces, rank(), step);
    if (mine.elements == 0) return;
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] =
          from == rank() ? x + pieces.bytes(mine.begin) : scratch(slot, from);
    }
    sum_in_order(pieces.dtype, out + pieces.bytes(step * pieces.most), parts_, mine.elements);
  }

  // This rank's piece of x goes to all others, and theirs come.
  void pass_on(const Pieces& pieces, int64_t step, std::size_t slot, std::byte* x) {
    for_every_peer([&](int to, int from) {
      receive(second_[slot], pieces, from, step, x, from);
      send(second_[slot], pieces, rank(), step, x, to);
    });
  }

  // Each step begins with its first messages; once they are there, its second ones follow. All
  // ranks post them in this order, so that each message meets the one that it is for.
  template <typename Begin, typename GoOn>
  void pipeline(int64_t steps, const Begin& begin, const GoOn& go_on) {
    const auto depth = static_cast<int64_t>(depth_);
    const auto is_step = [&](int64_t step) { return step >= 0 && step < steps; };
    const auto slot_of = [&](int64_t step) { return static_cast<std::size_t>(step % depth); };
    for (int64_t step = 0; step < steps + 2 * depth; ++step) {
      const int64_t going = step - depth, ending = going - depth;
      if (is_step(ending)) second_[slot_of(ending)].wait(timeout());
      if (is_step(going)) {
        first_[slot_of(going)].wait(timeout());
        go_on(going, slot_of(going));
      }
      if (is_step(step)) begin(step, slot_of(step));
    }
  }

  // In an order in which no rank is everybody's first.
  template <typename Body>
  void for_every_peer(const Body& body) const {
    for (int i = 1; i < size(); ++i) body((rank() + i) % size(), (rank() + size() - i) % size());
  }

  std::size_t ranks() const { return static_cast<std::size_t>(size()); }
  std::byte* scratch(std::size_t slot, int from) {
    return scratch_.data() + (slot * ranks() + static_cast<std::size_t>(from)) * message_bytes_;
  }

  const int planned_ranks_;
  const std::size_t message_bytes_;
  const std::size_t depth_;
  std::vector<std::byte> scratch_;        // (depth, size, message_bytes)
  std::vector<Messages> first_, second_;  // (depth)
  std::vector<const void*> parts_;        // (size)
};

}  // namespace

std::unique_ptr<Communicator> mpi_point_to_point(MPI_Comm communicator) {
  return mpi_messages_as_of(communicator, 0);
}

std::unique_ptr<Communicator> mpi_messages_as_of(MPI_Comm communicator, int ranks) {
  return std::make_unique<MpiPointToPoint>(communicator, ranks);
}

}  // namespace ripieno::distributed
