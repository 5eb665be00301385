#include "ripieno/distributed/strategies/rank_statistics.h"

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/naming_failures.h"

namespace ripieno::distributed {
namespace {

// Ranks that call different collectives have different numbers of micro-batches.
template <typename Communicate>
void explained(const Communicate& communicate) {
  try {
    naming_failures([] { return std::string("batch statistics"); }, communicate);
  } catch (const CommunicationFailure&) {
    throw;
  } catch (const Error& error) {
    fail(std::string("batch norm: ") + error.what() +
         "; statistics are summed over the ranks, which requires the same number of micro-batches "
         "on each: use a batch size that gives every rank as many rows, or "
         "BatchNormOptions::synchronized = false");
  }
}

}  // namespace

void RankStatistics::sum(const Tensor& x) {
  explained([&] { ranks_->all_reduce(x); });
}

void RankStatistics::end_step() {
  explained([&] { ranks_->barrier(); });
}

}  // namespace ripieno::distributed
