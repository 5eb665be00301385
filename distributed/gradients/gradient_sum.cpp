#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {
namespace {

class AllReduceSum final : public GradientSum {
 public:
  explicit AllReduceSum(Communicator& communicator) : communicator_(communicator) {}
  void sum(const Bucket&, const Tensor& gradients) override { communicator_.all_reduce(gradients); }
  bool can_be_recorded() const override { return true; }

 private:
  Communicator& communicator_;
};

}  // namespace

std::unique_ptr<GradientSum> sum_by_all_reduce(Communicator& communicator) {
  return std::make_unique<AllReduceSum>(communicator);
}

}  // namespace ripieno::distributed
