#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {
namespace {

// Up to this size three collectives cost more than they save.
constexpr std::size_t kSmallBytes = std::size_t{16} << 10;

// Several hosts with the same number of consecutive ranks. The ranks of a host communicate through
// shared memory (mpi_window). Each rank then communicates its slice by messages with the ranks of
// other hosts that have its local rank. So the network carries each element once per host.
class MpiHosts final : public MpiCommunicator {
 public:
  MpiHosts(MPI_Comm comm, int ranks_per_host)
      : MpiCommunicator(comm),
        within_host_(group(rank() / ranks_per_host, mpi_window)),
        across_hosts_(group(rank() % ranks_per_host, mpi_point_to_point)) {}

  std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes) override {
    return within_host_->shared_memory(bytes);
  }
  void set_timeout(std::chrono::seconds timeout) override {
    HostCommunicator::set_timeout(timeout);
    within_host_->set_timeout(timeout);
    across_hosts_->set_timeout(timeout);
  }
  void failed() override {
    MpiCommunicator::failed();
    static_cast<HostCommunicator&>(*within_host_).failed();
    static_cast<HostCommunicator&>(*across_hosts_).failed();
  }

 private:
  std::unique_ptr<Communicator> create(MPI_Comm comm) const override {
    return std::make_unique<MpiHosts>(comm, within_host_->size());
  }
  std::unique_ptr<Communicator> group(int color,
                                      std::unique_ptr<Communicator> (*join)(MPI_Comm)) const {
    MPI_Comm members = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split(communicator(), color, rank(), &members), "MPI_Comm_split");
    auto result = join(members);
    check_mpi(MPI_Comm_free(&members), "MPI_Comm_free");
    return result;
  }

  void sum_everywhere(const Collective& collective, std::byte* x) override {
    if (collective.bytes() <= kSmallBytes) return sum_small(collective, x);
    const Collective part = of(collective, collective.elements / within_host_->size());
    std::byte* mine = x + static_cast<std::size_t>(within_host_->rank()) * part.bytes();
    within_host([&](HostCommunicator& ranks) { ranks.sum_parts(part, mine, x); });
    across_hosts([&](HostCommunicator& ranks) { ranks.sum_everywhere(part, mine); });
    within_host([&](HostCommunicator& ranks) { ranks.gather(part, x, mine); });
    const Collective rest = of(collective, collective.elements % within_host_->size());
    if (rest.elements > 0) sum_small(rest, x + collective.bytes() - rest.bytes());
  }

  void sum_small(const Collective& collective, std::byte* x) {
    within_host([&](HostCommunicator& ranks) { ranks.sum_everywhere(collective, x); });
    across_hosts([&](HostCommunicator& ranks) { ranks.sum_everywhere(collective, x); });
  }

  // parts: (hosts, ranks per host, elements)
  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = scratch(collective.bytes());  // (hosts, elements)
    for_every_host(collective, [&](std::size_t of_host, std::size_t of_mine) {
      within_host([&](HostCommunicator& ranks) {
        ranks.sum_parts(collective, mine + of_mine, in + of_host);
      });
    });
    across_hosts([&](HostCommunicator& ranks) { ranks.sum_parts(collective, out, mine); });
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = scratch(collective.bytes());  // (hosts, elements)
    across_hosts([&](HostCommunicator& ranks) { ranks.gather(collective, mine, in); });
    for_every_host(collective, [&](std::size_t of_host, std::size_t of_mine) {
      within_host([&](HostCommunicator& ranks) {
        ranks.gather(collective, out + of_host, mine + of_mine);
      });
    });
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Collective block = of(collective, collective.elements * within_host_->size());
    std::byte* received = scratch(block.bytes());  // (hosts, ranks per host, elements)
    across_hosts([&](HostCommunicator& ranks) { ranks.exchange(block, received, in); });
    for_every_host(collective, [&](std::size_t of_host, std::size_t) {
      within_host([&](HostCommunicator& ranks) {
        ranks.exchange(collective, out + of_host, received + of_host);
      });
    });
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    Collective across = collective, inside = collective;
    across.root = collective.root / within_host_->size();
    inside.root = collective.root % within_host_->size();
    if (within_host_->rank() == inside.root) {
      across_hosts([&](HostCommunicator& ranks) { ranks.copy_from_root(across, x); });
    }
    within_host([&](HostCommunicator& ranks) { ranks.copy_from_root(inside, x); });
  }

  // Each rank of the second barrier has passed the first with all ranks of its host.
  void meet(const Collective& collective) override {
    within_host([&](HostCommunicator& ranks) { ranks.meet(collective); });
    across_hosts([&](HostCommunicator& ranks) { ranks.meet(collective); });
  }

  static Collective of(Collective collective, int64_t elements) {
    collective.elements = elements;
    return collective;
  }
  std::byte* scratch(std::size_t bytes_per_host) {
    scratch_.resize(std::max(scratch_.size(), bytes_per_host * hosts()));
    return scratch_.data();
  }
  std::size_t hosts() const { return static_cast<std::size_t>(across_hosts_->size()); }

  // Calls body(of_host, of_mine) for each host: byte offsets of the host's parts in a buffer of all
  // ranks, and of its part in a buffer of the ranks with this local rank.
  template <typename Body>
  void for_every_host(const Collective& collective, const Body& body) const {
    for (std::size_t host = 0; host < hosts(); ++host) {
      body(host * static_cast<std::size_t>(within_host_->size()) * collective.bytes(),
           host * collective.bytes());
    }
  }

  template <typename Body>
  void within_host(const Body& body) const {
    among(*within_host_, rank() - within_host_->rank(), 1, body);
  }
  template <typename Body>
  void across_hosts(const Body& body) const {
    among(*across_hosts_, within_host_->rank(), within_host_->size(), body);
  }
  // Calls body(group); adds the group's ranks to the message of a CommunicationFailure, since it
  // counts them from 0.
  template <typename Body>
  static void among(Communicator& group, int first, int stride, const Body& body) {
    try {
      body(static_cast<HostCommunicator&>(group));
    } catch (const CommunicationFailure& failure) {
      std::vector<int> ranks;
      for (int i = 0; i < group.size(); ++i) ranks.push_back(first + i * stride);
      throw CommunicationFailure(
          fmt::format("in the group of ranks {}, numbered from 0 in this message: {}",
                      fmt::join(ranks, ", "), failure.what()),
          failure.where());
    }
  }

  std::unique_ptr<Communicator> within_host_, across_hosts_;  // both are HostCommunicators
  std::vector<std::byte> scratch_;
};

}  // namespace

std::unique_ptr<Communicator> mpi_hosts(MPI_Comm communicator, int ranks_per_host) {
  int size = 0;
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  if (ranks_per_host < 1 || size % ranks_per_host != 0) {
    fail(fmt::format("mpi_hosts: the world size {} must be a multiple of ranks_per_host, {}", size,
                     ranks_per_host));
  }
  return std::make_unique<MpiHosts>(communicator, ranks_per_host);
}

}  // namespace ripieno::distributed
