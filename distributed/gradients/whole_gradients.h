// WholeGradients: every rank keeps all gradients, in the parameters' gradient arena.
#pragma once

#include <memory>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/reduced_gradients.h"

namespace ripieno::distributed {

class WholeGradients final : public ReducedGradients {
 public:
  // For the lifetime of this object the gradient arena is in Communicator::shared_memory(), if
  // available, so that gradients are summed without copies. The communicator must outlive this.
  // Construction and destruction are collectives.
  WholeGradients(const Parameters& parameters, Communicator& communicator);
  ~WholeGradients() override;
  WholeGradients(const WholeGradients&) = delete;
  WholeGradients& operator=(const WholeGradients&) = delete;

  void lay_out(const std::vector<Bucket>& buckets) override { buckets_ = buckets; }
  bool sums_every_micro_batch() const override { return false; }
  // Sets the gradients of frozen parameters to zero, since backward never completes them.
  void begin_round(bool is_first) override;
  void complete() override { parameters_.complete_gradients(); }
  void take(std::size_t) override {}
  Tensor gradients_of(std::size_t bucket) override;
  void keep(std::size_t) override {}
  void detach(std::size_t) override {}
  Arena& kept() override { return parameters_.gradients(); }
  int64_t most_transient_bytes() const override { return 0; }

 private:
  Parameters parameters_;
  std::unique_ptr<MemoryResource> memory_;
  std::vector<Bucket> buckets_;
};

// Returns a WholeGradients; for GradientReducer::MakeGradients.
std::unique_ptr<ReducedGradients> whole_gradients(const Parameters& parameters,
                                                  Communicator& communicator);

}  // namespace ripieno::distributed
