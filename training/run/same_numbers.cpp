#include "ripieno/training/run/same_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "ripieno/io/files/hash.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno {
namespace {

using Hashes = std::vector<int64_t>;  // one per element of `numbers`

constexpr int64_t kComparedElements = int64_t{4} << 20;  // copied from a GPU

std::span<const std::byte> bytes_of(const Tensor& on_host) {
  return {static_cast<const std::byte*>(on_host.raw_data()),
          static_cast<std::size_t>(on_host.elements()) * size_of(on_host.dtype())};
}

int64_t hash_of(Arena& arena) {
  if (!arena.device().is_cuda()) return static_cast<int64_t>(io::hash_of(bytes_of(arena.flat())));
  io::Hash hash;
  const int64_t elements = arena.layout().elements();
  for (int64_t begin = 0; begin < elements; begin += kComparedElements) {
    const int64_t end = std::min(begin + kComparedElements, elements);
    hash.add(bytes_of(arena.range(begin, end).to(Device::cpu())));
  }
  return static_cast<int64_t>(hash.value());
}

// The hashes of every rank, in rank order.
std::vector<Hashes> gather_hashes(Session& session, const std::vector<Replicated>& numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  const Tensor mine({count}, DType::int64), all({session.size(), count}, DType::int64);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    mine.data<int64_t>()[i] = hash_of(*numbers[i].arena);
  }
  session.communicator().all_gather(all, mine);
  std::vector<Hashes> hashes;
  for (int rank = 0; rank < session.size(); ++rank) {
    const auto* theirs = all.data<int64_t>() + rank * count;
    hashes.emplace_back(theirs, theirs + count);
  }
  return hashes;
}

// The ranks that differ from the majority; all ranks if there is no majority.
std::vector<int> deviating_ranks(const std::vector<Hashes>& hashes) {
  std::map<Hashes, std::size_t> count;
  for (const auto& theirs : hashes) ++count[theirs];
  std::vector<int> deviating;
  for (std::size_t rank = 0; rank < hashes.size(); ++rank) {
    if (2 * count[hashes[rank]] <= hashes.size()) deviating.push_back(static_cast<int>(rank));
  }
  return deviating;
}

// The name of the first values that differ between ranks.
const std::string& name_of_difference(const std::vector<Hashes>& hashes,
                                      const std::vector<Replicated>& numbers) {
  std::size_t i = 0;
  const auto same = [&](const Hashes& theirs) { return theirs[i] == hashes.front()[i]; };
  while (std::all_of(hashes.begin(), hashes.end(), same)) ++i;
  return numbers[i].name;
}

std::string describe(const Session& session, const std::vector<int>& deviating) {
  std::vector<std::string> ranks;
  for (const int rank : deviating) {
    const auto i = static_cast<std::size_t>(rank);
    ranks.push_back(
        fmt::format("rank {} on {} ({})", rank, session.hosts()[i], session.devices()[i]));
  }
  return fmt::format("{}", fmt::join(ranks, " and "));
}

std::string likely_cause(const std::string& disagreement, bool is_majority) {
  if (!disagreement.empty()) return "the ranks disagree: " + disagreement;
  if (is_majority) {
    return "if the program treats all ranks alike, memory or a processor there is faulty; run "
           "again, without that host if it recurs";
  }
  return "either gradients are not summed over the ranks (call DataParallel's backward() and "
         "step() in each step), or the program changes parameters differently on each rank, or "
         "memory or a processor of one rank is faulty";
}

}  // namespace

void require_same_numbers(Session& session, const std::vector<Replicated>& numbers, int64_t step,
                          const std::vector<distributed::Fact>& facts) {
  if (session.size() == 1) return;
  const auto hashes = gather_hashes(session, numbers);
  const auto deviating = deviating_ranks(hashes);
  if (deviating.empty()) return;
  const bool is_majority = deviating.size() < hashes.size();
  const auto disagreement = distributed::disagreement(session.communicator(), facts);
  const auto message =
      fmt::format("after step {} the {} of {} differ from {}: {}; this step is not saved", step,
                  name_of_difference(hashes, numbers), describe(session, deviating),
                  is_majority ? "those of all other ranks" : "each other",
                  likely_cause(disagreement, is_majority));
  throw RankFailure(ExitStatus::ranks_differ, session.rank() == 0 ? message : "");
}

}  // namespace ripieno
