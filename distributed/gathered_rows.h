// GatheredRows: the embeddings of all ranks as candidates of info_nce().
//
//   distributed::GatheredRows rows(communicator);
//   const Loss loss = info_nce(queries, keys, {.exchange = &rows});
#pragma once

#include "ripieno/core/losses/embedding_losses.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// `communicator` must outlive it, and have no other user meanwhile: the backward communicates too,
// and DataParallel's reduction may run on another thread, so pass one of its own (duplicate()).
class GatheredRows final : public RowExchange {
 public:
  explicit GatheredRows(Communicator& communicator) : communicator_(communicator) {}

  Tensor gather(const Tensor& rows) override;
  Tensor sum_own(const Tensor& gradients) override;
  int64_t first_row(int64_t rows) const override { return communicator_.rank() * rows; }

 private:
  Communicator& communicator_;
};

}  // namespace ripieno::distributed
