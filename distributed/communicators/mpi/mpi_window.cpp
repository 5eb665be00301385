#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>

#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/process_barrier.h"
#include "ripieno/distributed/communicators/mpi/shared_memory.h"
#include "ripieno/distributed/communicators/mpi/shared_window.h"
#include "ripieno/distributed/communicators/sum.h"

namespace ripieno::distributed {
namespace {

constexpr std::size_t kStageBytes = std::size_t{512} << 10;  // two a rank stay in its second cache
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kAtOnceBytes = 4096;  // up to here each rank adds everything up by itself

using Place = SharedRegions::Place;

struct Call {
  Collective collective;
  Place place;  // of the tensor that is read or written by all, where it lies in shared memory
};

// The memory of one rank that all see.
struct Segment {
  ProcessBarrier::Part barrier;
  Call called[2];
  alignas(64) std::byte stage[2][kStageBytes];
};

void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
}

// Collectives run in stages: every rank copies a piece into its segment, all meet, and each reads
// from the others' segments what it needs. Stages alternate between two buffers: who writes into
// one has met the others since they read from it, in the stage between. Tensors that lie at the
// same place of every rank's shared memory are read and written where they are, in one piece.
class MpiWindow final : public MpiCommunicator {
 public:
  MpiWindow(MPI_Comm comm, std::shared_ptr<SharedRegions> regions)
      : MpiCommunicator(comm),
        regions_(std::move(regions)),
        window_(communicator(), sizeof(Segment)),
        barrier_(parts_of_barrier(), rank()),
        called_(static_cast<std::size_t>(size())),
        parts_(static_cast<std::size_t>(size())),
        everywhere_(static_cast<std::size_t>(size())) {}

  std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes) override {
    const Collective collective{.kind = Collective::Kind::shared_memory,
                                .elements = static_cast<int64_t>(bytes)};
    named(collective, [&] { meet(collective); });
    const std::size_t room = bytes / kPageBytes * kPageBytes + kPageBytes;
    auto segments = SharedSegments::make(communicator(), room);
    if (!segments) return nullptr;
    return std::make_unique<SharedMemory>(std::move(segments), rank(), room, regions_);
  }

 private:
  std::unique_ptr<Communicator> joined(MPI_Comm comm) const override {
    return std::make_unique<MpiWindow>(comm, regions_);
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    const bool at_once = collective.bytes() <= kAtOnceBytes;
    const Place place = at_once ? Place{} : regions_->find(x, collective.bytes());
    const auto prepare = [&](Slice piece) {
      for (int to = 0; to < size(); ++to) {
        if (to == rank() && !at_once) continue;  // nobody else reads what this rank adds up
        const Slice theirs = slice_of(piece.elements, to, size());
        const std::size_t begin = at(collective, theirs.begin);
        copy_bytes(stage(rank()) + begin, x + at(collective, piece.begin) + begin,
                   at(collective, theirs.elements));
      }
    };
    const auto finish = [&](Slice piece) {
      std::byte* here = x + at(collective, piece.begin);
      if (at_once) return sum_stages(0, collective.dtype, here, piece.elements);
      sum_slice(collective.dtype, here, slice_of(piece.elements, rank(), size()));
      arrive();
      for (int from = 0; from < size(); ++from) {
        if (from == rank()) continue;
        const Slice theirs = slice_of(piece.elements, from, size());
        const std::size_t begin = at(collective, theirs.begin);
        copy_bytes(here + begin, stage(from) + begin, at(collective, theirs.elements));
      }
    };
    if (in_stages(collective, place, kStageBytes, prepare, finish)) return;
    const Slice mine = slice_of(collective.elements, rank(), size());
    find_everywhere(place, at(collective, mine.begin));
    sum_in_order(collective.dtype, everywhere_, parts_, mine.elements);
    arrive();
  }

  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Place place = regions_->find(in, collective.bytes() * parts_.size());
    const auto finish = [&](Slice piece) {
      sum_stages(static_cast<std::size_t>(rank()) * at(collective, piece.elements),
                 collective.dtype, out + at(collective, piece.begin), piece.elements);
    };
    if (in_stages(
            collective, place, part_bytes(),
            [&](Slice piece) { stage_parts(collective, in, piece); }, finish))
      return;
    find_everywhere(place, static_cast<std::size_t>(rank()) * collective.bytes());
    sum_in_order(collective.dtype, out, parts_, collective.elements);
    arrive();
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Place place = regions_->find(out, collective.bytes() * parts_.size());
    const auto prepare = [&](Slice piece) {
      copy_bytes(stage(rank()), in + at(collective, piece.begin), at(collective, piece.elements));
    };
    const auto finish = [&](Slice piece) {
      for (int from = 0; from < size(); ++from) {
        const std::byte* theirs = from == rank() ? in + at(collective, piece.begin) : stage(from);
        copy_bytes(out + at(collective, from * collective.elements + piece.begin), theirs,
                   at(collective, piece.elements));
      }
    };
    if (in_stages(collective, place, kStageBytes, prepare, finish)) return;
    find_everywhere(place, static_cast<std::size_t>(rank()) * collective.bytes());
    for (void* part : everywhere_) {
      copy_bytes(static_cast<std::byte*>(part), in, collective.bytes());
    }
    arrive();
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    in_stages(
        collective, {}, part_bytes(), [&](Slice piece) { stage_parts(collective, in, piece); },
        [&](Slice piece) {
          const std::size_t bytes = at(collective, piece.elements);
          for (int from = 0; from < size(); ++from) {
            copy_bytes(out + at(collective, from * collective.elements + piece.begin),
                       stage(from) + static_cast<std::size_t>(rank()) * bytes, bytes);
          }
        });
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    const bool is_root = rank() == collective.root;
    const auto prepare = [&](Slice piece) {
      if (!is_root) return;
      copy_bytes(stage(rank()), x + at(collective, piece.begin), at(collective, piece.elements));
    };
    in_stages(collective, {}, kStageBytes, prepare, [&](Slice piece) {
      if (is_root) return;
      copy_bytes(x + at(collective, piece.begin), stage(collective.root),
                 at(collective, piece.elements));
    });
  }

  void meet(const Collective& collective) override {
    const auto nothing = [](Slice) {};
    in_stages(collective, {}, SIZE_MAX, nothing, nothing);
  }

  // Calls prepare and, once every rank has, finish for each piece of the elements that fits
  // `bytes`; once where there are none. Where `place` is a place, and every rank's, it calls
  // neither, and returns false once every rank has come; this rank then arrives once more.
  template <typename Prepare, typename Finish>
  bool in_stages(const Collective& collective, const Place& place, std::size_t bytes,
                 const Prepare& prepare, const Finish& finish) {
    const auto most = static_cast<int64_t>(bytes / collective.element_bytes());
    Slice piece{0, std::min(most, collective.elements)};
    const bool staged = !meet_in_place({collective, place}, [&] { prepare(piece); });
    while (staged) {
      finish(piece);
      buffer_ ^= 1;
      piece.begin += most;
      if (piece.begin >= collective.elements) break;
      piece.elements = std::min(most, collective.elements - piece.begin);
      prepare(piece);
      arrive();
    }
    if (!staged) buffer_ ^= 1;
    return staged;
  }

  // The first meeting of a collective, which makes sure that all ranks mean the same. True where
  // all brought the same place; else prepare() has been called on every rank.
  template <typename Prepare>
  bool meet_in_place(const Call& call, const Prepare& prepare) {
    const bool has_place = call.place != Place{};
    if (!has_place) prepare();
    segment(rank()).called[buffer_] = call;
    arrive();
    bool same = has_place, any = false;
    for (int from = 0; from < size(); ++from) {
      const Call& theirs = segment(from).called[buffer_];
      called_[static_cast<std::size_t>(from)] = theirs.collective;
      same = same && theirs.place == call.place;
      any = any || theirs.place != Place{};
    }
    require_same(called_);
    if (same || !any) return same;
    if (has_place) prepare();
    arrive();
    return false;
  }

  // A piece of each rank's part of in: (size, elements).
  void stage_parts(const Collective& collective, const std::byte* in, Slice piece) {
    const std::size_t bytes = at(collective, piece.elements);
    for (int to = 0; to < size(); ++to) {
      copy_bytes(stage(rank()) + static_cast<std::size_t>(to) * bytes,
                 in + at(collective, to * collective.elements + piece.begin), bytes);
    }
  }

  // out = the sum of what lies `offset` bytes into every rank's stage.
  void sum_stages(std::size_t offset, DType dtype, std::byte* out, int64_t elements) {
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] = stage(from) + offset;
    }
    sum_in_order(dtype, out, parts_, elements);
  }

  // Leaves the sum of every rank's slice in this rank's tensor, and in its stage for the others.
  void sum_slice(DType dtype, std::byte* here, Slice slice) {
    const std::size_t offset = static_cast<std::size_t>(slice.begin) * size_of(dtype);
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] = (from == rank() ? here : stage(from)) + offset;
    }
    void* const outs[] = {here + offset, stage(rank()) + offset};
    sum_in_order(dtype, outs, parts_, slice.elements);
  }

  // What lies `offset` bytes behind `place`: to read, and to write.
  void find_everywhere(const Place& place, std::size_t offset) {
    for (int from = 0; from < size(); ++from) {
      std::byte* there = regions_->at(place, from) + offset;
      parts_[static_cast<std::size_t>(from)] = there;
      everywhere_[static_cast<std::size_t>(from)] = there;
    }
  }

  void arrive() { barrier_.arrive(timeout()); }
  std::vector<ProcessBarrier::Part*> parts_of_barrier() const {
    std::vector<ProcessBarrier::Part*> result;
    for (int from = 0; from < size(); ++from) result.push_back(&segment(from).barrier);
    return result;
  }
  Segment& segment(int rank) const {
    return *std::launder(reinterpret_cast<Segment*>(window_.of(rank)));
  }
  std::byte* stage(int rank) const { return segment(rank).stage[buffer_]; }
  std::size_t part_bytes() const { return kStageBytes / parts_.size(); }
  static std::size_t at(const Collective& collective, int64_t element) {
    return static_cast<std::size_t>(element) * collective.element_bytes();
  }

  std::shared_ptr<SharedRegions> regions_;
  SharedWindow window_;
  ProcessBarrier barrier_;
  int buffer_ = 0;
  std::vector<Collective> called_;  // (size)
  std::vector<const void*> parts_;  // (size)
  std::vector<void*> everywhere_;   // (size)
};

}  // namespace

std::unique_ptr<Communicator> mpi_window(MPI_Comm communicator) {
  return std::make_unique<MpiWindow>(communicator, std::make_shared<SharedRegions>());
}

}  // namespace ripieno::distributed
