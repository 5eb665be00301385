#include "ripieno/distributed/gradients/wire.h"

#include "ripieno/core/place.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::distributed {
namespace {

void cast_into(const Tensor& out, const Tensor& in) {
  run({"cast", {&out, &in}, 0}, out, [&]<typename To>(auto on) {
    run(in, [&]<typename From>(auto) {
      kernels::cast(on, out.data<To>(), in.data<From>(), in.elements());
    });
  });
}

class Bfloat16Sum final : public GradientSum {
 public:
  explicit Bfloat16Sum(Communicator& communicator) : communicator_(communicator) {}

  void sum(const Bucket&, const Tensor& gradients) override {
    if (size_of(gradients.dtype()) <= size_of(DType::bfloat16)) {
      return communicator_.all_reduce(gradients);
    }
    const Tensor rounded = buffer_for(gradients);
    cast_into(rounded, gradients);
    communicator_.all_reduce(rounded);  // sums 16-bit types in float32
    cast_into(gradients, rounded);
  }

  bool can_be_recorded() const override { return true; }
  int64_t kept_bytes() const override {
    return buffer_.defined() ? static_cast<int64_t>(buffer_.bytes()) : 0;
  }

 private:
  // Reused; allocates only for a bucket larger than all before.
  Tensor buffer_for(const Tensor& gradients) {
    if (!buffer_.defined() || buffer_.elements() < gradients.elements()) {
      buffer_ = Tensor(gradients.shape(), DType::bfloat16, gradients.device());
    }
    return buffer_.slice(0, 0, gradients.elements());
  }

  Communicator& communicator_;
  Tensor buffer_;
};

}  // namespace

std::unique_ptr<GradientSum> sum_over_bfloat16_wire(Communicator& communicator) {
  return std::make_unique<Bfloat16Sum>(communicator);
}

}  // namespace ripieno::distributed
