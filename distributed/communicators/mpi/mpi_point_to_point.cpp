#include <algorithm>
#include <cstring>

#include "ripieno/distributed/communicators/mpi/message_plan.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"
#include "ripieno/distributed/communicators/sum.h"

namespace ripieno::distributed {
namespace {

// Total bytes of all ranks' tensors up to which sum_at_once() is used.
constexpr std::size_t kAtOnceBytes = std::size_t{16} << 10;

// Each rank sums one slice: it receives that slice from all other ranks directly, so each element
// crosses the network once and in its own type, whatever the order of the sum, and then sends the
// result to all. Both proceed in small steps with many in flight, so that finished sums are sent
// while the rest still arrives.
class MpiPointToPoint final : public MpiCommunicator {
 public:
  MpiPointToPoint(MPI_Comm comm, int planned_ranks)
      : MpiCommunicator(comm),
        planned_ranks_(planned_ranks > 0 ? planned_ranks : size()),
        message_bytes_(plan_messages(static_cast<std::size_t>(planned_ranks_)).message_bytes),
        depth_(plan_messages(static_cast<std::size_t>(planned_ranks_)).depth),
        scratch_(depth_ * ranks() * message_bytes_),
        parts_(ranks()) {
    for (std::size_t lane = 0; lane < depth_; ++lane) {
      first_.emplace_back(communicator(), 2 * size());
      second_.emplace_back(communicator(), 2 * size());
    }
  }

  // A collective fails in one step while others are in flight.
  void failed() override {
    MpiCommunicator::failed();
    for (std::vector<Messages>* all : {&first_, &second_}) {
      for (Messages& messages : *all) messages.abandon();
    }
  }

 private:
  std::unique_ptr<Communicator> create(MPI_Comm comm) const override {
    return mpi_point_to_point_sized_for(comm, planned_ranks_);
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    // A small tensor may exceed a message if planned_ranks_ exceeds size().
    const bool fits = collective.bytes() <= message_bytes_;
    if (fits && collective.bytes() * ranks() <= kAtOnceBytes) return sum_at_once(collective, x);
    const Chunks chunks = chunks_of(collective, collective.elements);
    std::byte* mine = x + chunks.bytes(slice_of(collective.elements, rank(), size()).begin);
    pipeline(
        chunks.steps, [&](int64_t step, std::size_t lane) { scatter_chunk(chunks, step, lane, x); },
        [&](int64_t step, std::size_t lane) {
          sum_chunk(chunks, step, lane, mine, x);
          gather_chunk(chunks, step, lane, x);
        });
  }

  // Sends a small tensor to all ranks; each computes the whole sum.
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
    const Chunks chunks = chunks_of(collective, collective.elements * size());
    pipeline(
        chunks.steps,
        [&](int64_t step, std::size_t lane) { scatter_chunk(chunks, step, lane, in); },
        [&](int64_t step, std::size_t lane) { sum_chunk(chunks, step, lane, out, in); });
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = out + static_cast<std::size_t>(rank()) * collective.bytes();
    if (mine != in && collective.elements > 0) std::memcpy(mine, in, collective.bytes());
    const Chunks chunks = chunks_of(collective, collective.elements * size());
    pipeline(
        chunks.steps, [](int64_t, std::size_t) {},
        [&](int64_t step, std::size_t lane) { gather_chunk(chunks, step, lane, out); });
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    const std::size_t bytes = collective.bytes(), mine = static_cast<std::size_t>(rank()) * bytes;
    if (bytes > 0) std::memcpy(out + mine, in + mine, bytes);
    const Chunks chunks = chunks_of(collective, collective.elements * size());
    pipeline(
        chunks.steps,
        [&](int64_t step, std::size_t lane) {
          for_every_peer([&](int to, int from) {
            receive(first_[lane], chunks, from, step, out, from);
            send(first_[lane], chunks, to, step, in, to);
          });
        },
        [](int64_t, std::size_t) {});
  }

  // The root sends each rank one slice, which the rank sends to all others.
  void copy_from_root(const Collective& collective, std::byte* x) override {
    if (collective.elements == 0) return meet(collective);
    const Chunks chunks = chunks_of(collective, collective.elements);
    pipeline(
        chunks.steps,
        [&](int64_t step, std::size_t lane) {
          if (rank() != collective.root)
            return receive(first_[lane], chunks, rank(), step, x, collective.root);
          for_every_peer([&](int to, int) { send(first_[lane], chunks, to, step, x, to); });
        },
        [&](int64_t step, std::size_t lane) {
          for_every_peer([&](int to, int from) {
            if (rank() != collective.root) receive(second_[lane], chunks, from, step, x, from);
            if (to != collective.root) send(second_[lane], chunks, rank(), step, x, to);
          });
        });
  }

  // Dissemination barrier: after round k a rank depends on the 2^k ranks before it.
  void meet(const Collective& collective) override {
    const int tag = tag_of(collective);
    for (int distance = 1; distance < size(); distance *= 2) {
      const int from = (rank() + size() - distance) % size(), to = (rank() + distance) % size();
      first_[0].receive(nullptr, 0, from, tag);
      first_[0].send(nullptr, 0, to, tag);
      first_[0].wait(timeout());
    }
  }

  // A collective cut into steps; in each, one message per rank carries a chunk of that rank's
  // slice.
  struct Chunks {
    DType dtype;
    int tag;
    int64_t elements;  // total of all slices
    int64_t most;      // per message
    int64_t steps;
    std::size_t bytes(int64_t count) const {
      return static_cast<std::size_t>(count) * size_of(dtype);
    }
  };
  Chunks chunks_of(const Collective& collective, int64_t elements) const {
    const auto most = static_cast<int64_t>(message_bytes_ / collective.element_bytes());
    const int64_t longest = slice_of(elements, 0, size()).elements;
    return {collective.dtype, tag_of(collective), elements, most, (longest + most - 1) / most};
  }
  // The range of the elements that step `step` carries of the slice of `rank`.
  Slice chunk(const Chunks& chunks, int rank, int64_t step) const {
    const Slice slice = slice_of(chunks.elements, rank, size());
    const int64_t skipped = step * chunks.most;
    return {slice.begin + skipped, std::clamp<int64_t>(slice.elements - skipped, 0, chunks.most)};
  }

  // Send and receive the chunk of step `step` of the slice of `slice_rank`.   x: (chunks.elements).
  void send(Messages& messages, const Chunks& chunks, int slice_rank, int64_t step,
            const std::byte* x, int to) const {
    const Slice sent = chunk(chunks, slice_rank, step);
    if (sent.elements == 0) return;
    messages.send(x + chunks.bytes(sent.begin), chunks.bytes(sent.elements), to, chunks.tag);
  }
  void receive(Messages& messages, const Chunks& chunks, int slice_rank, int64_t step, std::byte* x,
               int from) const {
    const Slice received = chunk(chunks, slice_rank, step);
    if (received.elements == 0) return;
    messages.receive(x + chunks.bytes(received.begin), chunks.bytes(received.elements), from,
                     chunks.tag);
  }

  // Sends each rank its chunk of x, and receives this rank's chunk from all.
  void scatter_chunk(const Chunks& chunks, int64_t step, std::size_t lane, const std::byte* x) {
    const Slice mine = chunk(chunks, rank(), step);
    for_every_peer([&](int to, int from) {
      if (mine.elements > 0) {
        first_[lane].receive(scratch(lane, from), chunks.bytes(mine.elements), from, chunks.tag);
      }
      send(first_[lane], chunks, to, step, x, to);
    });
  }

  // Sums this rank's chunk.   out: this rank's slice, x: (chunks.elements); the chunks of other
  // ranks are in scratch.
  void sum_chunk(const Chunks& chunks, int64_t step, std::size_t lane, std::byte* out,
                 const std::byte* x) {
    const Slice mine = chunk(chunks, rank(), step);
    if (mine.elements == 0) return;
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] =
          from == rank() ? x + chunks.bytes(mine.begin) : scratch(lane, from);
    }
    sum_in_order(chunks.dtype, out + chunks.bytes(step * chunks.most), parts_, mine.elements);
  }

  // Sends this rank's chunk of x to all others, and receives theirs.
  void gather_chunk(const Chunks& chunks, int64_t step, std::size_t lane, std::byte* x) {
    for_every_peer([&](int to, int from) {
      receive(second_[lane], chunks, from, step, x, from);
      send(second_[lane], chunks, rank(), step, x, to);
    });
  }

  // Calls first(step, lane), which posts the first messages of a step, and once they have completed
  // second(step, lane), which posts its second messages; depth_ steps are in flight, each in a lane
  // of buffers. All ranks post in the same order, so that sends and receives match.
  template <typename First, typename Second>
  void pipeline(int64_t steps, const First& first, const Second& second) {
    const auto depth = static_cast<int64_t>(depth_);
    const auto is_step = [&](int64_t step) { return step >= 0 && step < steps; };
    const auto lane_of = [&](int64_t step) { return static_cast<std::size_t>(step % depth); };
    for (int64_t step = 0; step < steps + 2 * depth; ++step) {
      const int64_t received = step - depth, ending = received - depth;
      if (is_step(ending)) second_[lane_of(ending)].wait(timeout());
      if (is_step(received)) {
        first_[lane_of(received)].wait(timeout());
        second(received, lane_of(received));
      }
      if (is_step(step)) first(step, lane_of(step));
    }
  }

  // Calls body(to, from) for every peer, in an order that differs by rank to spread the load.
  template <typename Body>
  void for_every_peer(const Body& body) const {
    for (int i = 1; i < size(); ++i) body((rank() + i) % size(), (rank() + size() - i) % size());
  }

  std::size_t ranks() const { return static_cast<std::size_t>(size()); }
  std::byte* scratch(std::size_t lane, int from) {
    return scratch_.data() + (lane * ranks() + static_cast<std::size_t>(from)) * message_bytes_;
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
  return mpi_point_to_point_sized_for(communicator, 0);
}

std::unique_ptr<Communicator> mpi_point_to_point_sized_for(MPI_Comm communicator, int ranks) {
  return std::make_unique<MpiPointToPoint>(communicator, ranks);
}

}  // namespace ripieno::distributed
