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

constexpr std::size_t kStageBytes = std::size_t{512} << 10;  // two per rank fit in its L2 cache
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kAtOnceBytes = 4096;  // up to this size each rank computes the whole sum

using Location = SharedRegions::Location;

struct Call {
  Collective collective;
  Location location;  // of the tensor that all ranks access, if it is in shared memory
};

// One rank's memory in the window, accessible to all ranks.
struct Segment {
  ProcessBarrier::Part barrier;
  Call called[2];
  alignas(64) std::byte stage[2][kStageBytes];
};

void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
}

// Collectives run in stages: every rank copies a chunk into its segment, a barrier follows, and
// each rank reads what it needs from the segments of the others. Stages alternate between two
// buffers, so the barrier of the stage between separates reading a buffer from writing it again.
// Tensors at the same location in every rank's shared memory are accessed in place, in one stage.
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
  std::unique_ptr<Communicator> create(MPI_Comm comm) const override {
    return std::make_unique<MpiWindow>(comm, regions_);
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    const bool at_once = collective.bytes() <= kAtOnceBytes;
    const Location location = at_once ? Location{} : regions_->find(x, collective.bytes());
    const auto prepare = [&](Slice chunk) {
      for (int to = 0; to < size(); ++to) {
        if (to == rank() && !at_once) continue;  // only this rank reads the slice that it sums
        const Slice theirs = slice_of(chunk.elements, to, size());
        const std::size_t begin = at(collective, theirs.begin);
        copy_bytes(stage(rank()) + begin, x + at(collective, chunk.begin) + begin,
                   at(collective, theirs.elements));
      }
    };
    const auto finish = [&](Slice chunk) {
      std::byte* own = x + at(collective, chunk.begin);
      if (at_once) return sum_stages(0, collective.dtype, own, chunk.elements);
      sum_slice(collective.dtype, own, slice_of(chunk.elements, rank(), size()));
      arrive();
      for (int from = 0; from < size(); ++from) {
        if (from == rank()) continue;
        const Slice theirs = slice_of(chunk.elements, from, size());
        const std::size_t begin = at(collective, theirs.begin);
        copy_bytes(own + begin, stage(from) + begin, at(collective, theirs.elements));
      }
    };
    if (in_stages(collective, location, kStageBytes, prepare, finish)) return;
    const Slice mine = slice_of(collective.elements, rank(), size());
    find_everywhere(location, at(collective, mine.begin));
    sum_in_order(collective.dtype, everywhere_, parts_, mine.elements);
    arrive();
  }

  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Location location = regions_->find(in, collective.bytes() * parts_.size());
    const auto finish = [&](Slice chunk) {
      sum_stages(static_cast<std::size_t>(rank()) * at(collective, chunk.elements),
                 collective.dtype, out + at(collective, chunk.begin), chunk.elements);
    };
    if (in_stages(
            collective, location, part_bytes(),
            [&](Slice chunk) { stage_parts(collective, in, chunk); }, finish))
      return;
    find_everywhere(location, static_cast<std::size_t>(rank()) * collective.bytes());
    sum_in_order(collective.dtype, out, parts_, collective.elements);
    arrive();
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Location location = regions_->find(out, collective.bytes() * parts_.size());
    const auto prepare = [&](Slice chunk) {
      copy_bytes(stage(rank()), in + at(collective, chunk.begin), at(collective, chunk.elements));
    };
    const auto finish = [&](Slice chunk) {
      for (int from = 0; from < size(); ++from) {
        const std::byte* theirs = from == rank() ? in + at(collective, chunk.begin) : stage(from);
        copy_bytes(out + at(collective, from * collective.elements + chunk.begin), theirs,
                   at(collective, chunk.elements));
      }
    };
    if (in_stages(collective, location, kStageBytes, prepare, finish)) return;
    find_everywhere(location, static_cast<std::size_t>(rank()) * collective.bytes());
    for (void* part : everywhere_) {
      copy_bytes(static_cast<std::byte*>(part), in, collective.bytes());
    }
    arrive();
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    in_stages(
        collective, {}, part_bytes(), [&](Slice chunk) { stage_parts(collective, in, chunk); },
        [&](Slice chunk) {
          const std::size_t bytes = at(collective, chunk.elements);
          for (int from = 0; from < size(); ++from) {
            copy_bytes(out + at(collective, from * collective.elements + chunk.begin),
                       stage(from) + static_cast<std::size_t>(rank()) * bytes, bytes);
          }
        });
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    const bool is_root = rank() == collective.root;
    const auto prepare = [&](Slice chunk) {
      if (!is_root) return;
      copy_bytes(stage(rank()), x + at(collective, chunk.begin), at(collective, chunk.elements));
    };
    in_stages(collective, {}, kStageBytes, prepare, [&](Slice chunk) {
      if (is_root) return;
      copy_bytes(x + at(collective, chunk.begin), stage(collective.root),
                 at(collective, chunk.elements));
    });
  }

  void meet(const Collective& collective) override {
    const auto nothing = [](Slice) {};
    in_stages(collective, {}, SIZE_MAX, nothing, nothing);
  }

  // Cuts the elements into chunks of at most `bytes`, and for each calls prepare(chunk), waits for
  // all ranks, and calls finish(chunk); once if there are no elements. Returns true.
  // If all ranks pass the same non-empty `location`, calls neither and returns false after a
  // barrier; the caller then accesses the memory in place and calls arrive().
  template <typename Prepare, typename Finish>
  bool in_stages(const Collective& collective, const Location& location, std::size_t bytes,
                 const Prepare& prepare, const Finish& finish) {
    const auto most = static_cast<int64_t>(bytes / collective.element_bytes());
    Slice chunk{0, std::min(most, collective.elements)};
    const bool staged = !meet_in_place({collective, location}, [&] { prepare(chunk); });
    while (staged) {
      finish(chunk);
      buffer_ ^= 1;
      chunk.begin += most;
      if (chunk.begin >= collective.elements) break;
      chunk.elements = std::min(most, collective.elements - chunk.begin);
      prepare(chunk);
      arrive();
    }
    if (!staged) buffer_ ^= 1;
    return staged;
  }

  // The first barrier of a collective, which checks that all ranks called the same one. Returns
  // true if all passed the same location; else prepare() has been called on every rank.
  template <typename Prepare>
  bool meet_in_place(const Call& call, const Prepare& prepare) {
    const bool has_location = call.location != Location{};
    if (!has_location) prepare();
    segment(rank()).called[buffer_] = call;
    arrive();
    bool same = has_location, any = false;
    for (int from = 0; from < size(); ++from) {
      const Call& theirs = segment(from).called[buffer_];
      called_[static_cast<std::size_t>(from)] = theirs.collective;
      same = same && theirs.location == call.location;
      any = any || theirs.location != Location{};
    }
    require_same(called_);
    if (same || !any) return same;
    if (has_location) prepare();
    arrive();
    return false;
  }

  // Copies a chunk of each rank's part of in to this rank's stage.   in: (size, elements).
  void stage_parts(const Collective& collective, const std::byte* in, Slice chunk) {
    const std::size_t bytes = at(collective, chunk.elements);
    for (int to = 0; to < size(); ++to) {
      copy_bytes(stage(rank()) + static_cast<std::size_t>(to) * bytes,
                 in + at(collective, to * collective.elements + chunk.begin), bytes);
    }
  }

  // out = sum over the ranks of the elements at `offset` bytes in their stages.   out: (elements).
  void sum_stages(std::size_t offset, DType dtype, std::byte* out, int64_t elements) {
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] = stage(from) + offset;
    }
    sum_in_order(dtype, out, parts_, elements);
  }

  // Writes the sum of `slice` over all ranks to this rank's tensor, and to its stage for the
  // others.
  void sum_slice(DType dtype, std::byte* own, Slice slice) {
    const std::size_t offset = static_cast<std::size_t>(slice.begin) * size_of(dtype);
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] = (from == rank() ? own : stage(from)) + offset;
    }
    void* const outs[] = {own + offset, stage(rank()) + offset};
    sum_in_order(dtype, outs, parts_, slice.elements);
  }

  // Points parts_ (to read) and everywhere_ (to write) at `offset` bytes past `location`, per rank.
  void find_everywhere(const Location& location, std::size_t offset) {
    for (int from = 0; from < size(); ++from) {
      std::byte* memory = regions_->at(location, from) + offset;
      parts_[static_cast<std::size_t>(from)] = memory;
      everywhere_[static_cast<std::size_t>(from)] = memory;
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
