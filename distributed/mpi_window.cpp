#include <algorithm>
#include <cstring>
#include <new>

#include "ripieno/distributed/mpi_communicator.h"
#include "ripieno/distributed/process_barrier.h"
#include "ripieno/distributed/shared_window.h"
#include "ripieno/distributed/sum.h"

namespace ripieno::distributed {
namespace {

constexpr std::size_t kStageBytes = std::size_t{512} << 10;  // two a rank stay in its second cache
constexpr std::size_t kAtOnceBytes = 4096;  // up to here each rank adds everything up by itself

// The memory of one rank that all see.
struct Segment {
  ProcessBarrier barrier;  // rank 0's is used
  Collective called[2];
  alignas(64) std::byte stage[2][kStageBytes];
};

void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
}

// Collectives run in stages: every rank copies a piece into its segment, all meet, and each reads
// from the others' segments what it needs. Stages alternate between two buffers: who writes into
// one has met the others since they read from it, in the stage between.
class MpiWindow final : public MpiCommunicator {
 public:
  explicit MpiWindow(MPI_Comm comm)
      : MpiCommunicator(comm),
        window_(communicator(), sizeof(Segment)),
        called_(static_cast<std::size_t>(size())),
        parts_(static_cast<std::size_t>(size())) {}

 private:
  void sum_everywhere(const Collective& collective, std::byte* x) override {
    in_stages(collective, kStageBytes, [&](Slice piece) {
      std::byte* here = x + at(collective, piece.begin);
      copy_bytes(stage(rank()), here, at(collective, piece.elements));
      meet_in_stage(piece);
      if (at(collective, piece.elements) <= kAtOnceBytes) {
        return sum_stages(0, collective.dtype, here, piece.elements);
      }
      const Slice mine = slice_of(piece.elements, rank(), size());
      const std::size_t offset = at(collective, mine.begin);
      sum_stages(offset, collective.dtype, stage(rank()) + offset, mine.elements);
      arrive();
      for (int from = 0; from < size(); ++from) {
        const Slice theirs = slice_of(piece.elements, from, size());
        const std::size_t begin = at(collective, theirs.begin);
        copy_bytes(here + begin, stage(from) + begin, at(collective, theirs.elements));
      }
    });
  }

  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    in_stages(collective, kStageBytes / static_cast<std::size_t>(size()), [&](Slice piece) {
      const std::size_t bytes = at(collective, piece.elements);
      for (int part = 0; part < size(); ++part) {
        const int64_t from = part * collective.elements + piece.begin;
        copy_bytes(stage(rank()) + static_cast<std::size_t>(part) * bytes,
                   in + at(collective, from), bytes);
      }
      meet_in_stage(piece);
      sum_stages(static_cast<std::size_t>(rank()) * bytes, collective.dtype,
                 out + at(collective, piece.begin), piece.elements);
    });
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    in_stages(collective, kStageBytes, [&](Slice piece) {
      const std::size_t bytes = at(collective, piece.elements);
      const std::byte* mine = in + at(collective, piece.begin);
      copy_bytes(stage(rank()), mine, bytes);
      meet_in_stage(piece);
      for (int from = 0; from < size(); ++from) {
        copy_bytes(out + at(collective, from * collective.elements + piece.begin),
                   from == rank() ? mine : stage(from), bytes);
      }
    });
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    in_stages(collective, kStageBytes, [&](Slice piece) {
      std::byte* here = x + at(collective, piece.begin);
      const bool is_root = rank() == collective.root;
      if (is_root) copy_bytes(stage(rank()), here, at(collective, piece.elements));
      meet_in_stage(piece);
      if (!is_root) copy_bytes(here, stage(collective.root), at(collective, piece.elements));
    });
  }

  void meet(const Collective& collective) override {
    in_stages(collective, kStageBytes, [&](Slice piece) { meet_in_stage(piece); });
  }

  // Calls run_stage for each piece of the elements that fits `bytes`; once where there are none.
  template <typename RunStage>
  void in_stages(const Collective& collective, std::size_t bytes, const RunStage& run_stage) {
    const auto most = static_cast<int64_t>(bytes / collective.element_bytes());
    segment(rank()).called[buffer_] = collective;
    int64_t begin = 0;
    do {
      run_stage(Slice{begin, std::min(most, collective.elements - begin)});
      buffer_ ^= 1;
      begin += most;
    } while (begin < collective.elements);
  }

  // In the first stage, also makes sure that all ranks mean the same collective.
  void meet_in_stage(Slice piece) {
    arrive();
    if (piece.begin > 0) return;
    for (int from = 0; from < size(); ++from) {
      called_[static_cast<std::size_t>(from)] = segment(from).called[buffer_];
    }
    require_same(called_);
  }

  // out = the sum of what lies `offset` bytes into every rank's stage.
  void sum_stages(std::size_t offset, DType dtype, std::byte* out, int64_t elements) {
    for (int from = 0; from < size(); ++from) {
      parts_[static_cast<std::size_t>(from)] = stage(from) + offset;
    }
    sum_in_order(dtype, out, parts_, elements);
  }

  void arrive() { segment(0).barrier.arrive(size()); }
  Segment& segment(int rank) const {
    return *std::launder(reinterpret_cast<Segment*>(window_.of(rank)));
  }
  std::byte* stage(int rank) const { return segment(rank).stage[buffer_]; }
  static std::size_t at(const Collective& collective, int64_t element) {
    return static_cast<std::size_t>(element) * collective.element_bytes();
  }

  SharedWindow window_;
  int buffer_ = 0;
  std::vector<Collective> called_;  // (size)
  std::vector<const void*> parts_;  // (size)
};

}  // namespace

std::unique_ptr<Communicator> mpi_window(MPI_Comm communicator) {
  return std::make_unique<MpiWindow>(communicator);
}

}  // namespace ripieno::distributed
