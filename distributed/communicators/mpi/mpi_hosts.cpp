#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {
namespace {

constexpr std::size_t kSmallBytes = std::size_t{16} << 10;  // not worth three collectives

// Several hosts with as many ranks each, in order: inside a host they meet in the window, and each
// then takes its slice across, together with those at its place on other hosts, by messages. So the
// network carries each number once a host.
class MpiHosts final : public MpiCommunicator {
 public:
  MpiHosts(MPI_Comm comm, int ranks_a_host)
      : MpiCommunicator(comm),
        here_(group(rank() / ranks_a_host, mpi_window)),
        there_(group(rank() % ranks_a_host, mpi_point_to_point)) {}

  std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes) override {
    return here_->shared_memory(bytes);
  }
  void set_timeout(std::chrono::seconds timeout) override {
    HostCommunicator::set_timeout(timeout);
    here_->set_timeout(timeout);
    there_->set_timeout(timeout);
  }
  void failed() override {
    MpiCommunicator::failed();
    static_cast<HostCommunicator&>(*here_).failed();
    static_cast<HostCommunicator&>(*there_).failed();
  }

 private:
  std::unique_ptr<Communicator> joined(MPI_Comm comm) const override {
    return std::make_unique<MpiHosts>(comm, here_->size());
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
    const Collective part = of(collective, collective.elements / here_->size());
    std::byte* mine = x + static_cast<std::size_t>(here_->rank()) * part.bytes();
    here([&](HostCommunicator& ranks) { ranks.sum_parts(part, mine, x); });
    there([&](HostCommunicator& ranks) { ranks.sum_everywhere(part, mine); });
    here([&](HostCommunicator& ranks) { ranks.gather(part, x, mine); });
    const Collective rest = of(collective, collective.elements % here_->size());
    if (rest.elements > 0) sum_small(rest, x + collective.bytes() - rest.bytes());
  }

  void sum_small(const Collective& collective, std::byte* x) {
    here([&](HostCommunicator& ranks) { ranks.sum_everywhere(collective, x); });
    there([&](HostCommunicator& ranks) { ranks.sum_everywhere(collective, x); });
  }

  // parts: (hosts, ranks a host, elements)
  void sum_parts(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = scratch(collective.bytes());  // (hosts, elements)
    for_every_host(collective, [&](std::size_t of_host, std::size_t of_mine) {
      here([&](HostCommunicator& ranks) {
        ranks.sum_parts(collective, mine + of_mine, in + of_host);
      });
    });
    there([&](HostCommunicator& ranks) { ranks.sum_parts(collective, out, mine); });
  }

  void gather(const Collective& collective, std::byte* out, const std::byte* in) override {
    std::byte* mine = scratch(collective.bytes());  // (hosts, elements)
    there([&](HostCommunicator& ranks) { ranks.gather(collective, mine, in); });
    for_every_host(collective, [&](std::size_t of_host, std::size_t of_mine) {
      here([&](HostCommunicator& ranks) {
        ranks.gather(collective, out + of_host, mine + of_mine);
      });
    });
  }

  void exchange(const Collective& collective, std::byte* out, const std::byte* in) override {
    const Collective block = of(collective, collective.elements * here_->size());
    std::byte* received = scratch(block.bytes());  // (hosts, ranks a host, elements)
    there([&](HostCommunicator& ranks) { ranks.exchange(block, received, in); });
    for_every_host(collective, [&](std::size_t of_host, std::size_t) {
      here([&](HostCommunicator& ranks) {
        ranks.exchange(collective, out + of_host, received + of_host);
      });
    });
  }

  void copy_from_root(const Collective& collective, std::byte* x) override {
    Collective across = collective, inside = collective;
    across.root = collective.root / here_->size();
    inside.root = collective.root % here_->size();
    if (here_->rank() == inside.root) {
      there([&](HostCommunicator& ranks) { ranks.copy_from_root(across, x); });
    }
    here([&](HostCommunicator& ranks) { ranks.copy_from_root(inside, x); });
  }

  // Whoever has met those at its place has met all that they met on their hosts.
  void meet(const Collective& collective) override {
    here([&](HostCommunicator& ranks) { ranks.meet(collective); });
    there([&](HostCommunicator& ranks) { ranks.meet(collective); });
  }

  static Collective of(Collective collective, int64_t elements) {
    collective.elements = elements;
    return collective;
  }
  std::byte* scratch(std::size_t bytes_a_host) {
    scratch_.resize(std::max(scratch_.size(), bytes_a_host * hosts()));
    return scratch_.data();
  }
  std::size_t hosts() const { return static_cast<std::size_t>(there_->size()); }

  // Calls body with where the parts of a host begin, and the part of the rank at this one's place.
  template <typename Body>
  void for_every_host(const Collective& collective, const Body& body) const {
    for (std::size_t host = 0; host < hosts(); ++host) {
      body(host * static_cast<std::size_t>(here_->size()) * collective.bytes(),
           host * collective.bytes());
    }
  }

  template <typename Body>
  void here(const Body& body) const {
    among(*here_, rank() - here_->rank(), 1, body);
  }
  template <typename Body>
  void there(const Body& body) const {
    among(*there_, here_->rank(), here_->size(), body);
  }
  // A failure says of which ranks it speaks.
  template <typename Body>
  static void among(Communicator& group, int first, int stride, const Body& body) {
    try {
      body(static_cast<HostCommunicator&>(group));
    } catch (const CommunicationFailure& failure) {
      std::vector<int> ranks;
      for (int i = 0; i < group.size(); ++i) ranks.push_back(first + i * stride);
      throw CommunicationFailure(fmt::format("among ranks {}, counted from 0 here: {}",
                                             fmt::join(ranks, ", "), failure.what()),
                                 failure.where());
    }
  }

  std::unique_ptr<Communicator> here_, there_;  // of HostCommunicators
  std::vector<std::byte> scratch_;
};

}  // namespace

std::unique_ptr<Communicator> mpi_hosts(MPI_Comm communicator, int ranks_a_host) {
  int size = 0;
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  if (ranks_a_host < 1 || size % ranks_a_host != 0) {
    fail(fmt::format("mpi_hosts: {} ranks are not hosts of {}", size, ranks_a_host));
  }
  return std::make_unique<MpiHosts>(communicator, ranks_a_host);
}

}  // namespace ripieno::distributed
