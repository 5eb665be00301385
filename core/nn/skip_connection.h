// SkipConnection: x + branch(x), a residual connection around any module.
//
//   nn::SkipConnection block(nn::Sequential{nn::BatchNorm(16), nn::Conv2d(16, 16, 3)});
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/arithmetic.h"

namespace ripieno::nn {

class SkipConnection final : public Module {
 public:
  // Moves in the branch, whose output must have the shape of its input; it is named "branch".
  template <std::derived_from<Module> Branch>
  explicit SkipConnection(Branch&& branch) {
    static_assert(!std::is_lvalue_reference_v<Branch>, "use SkipConnection(std::move(branch))");
    branch_ = std::make_unique<Branch>(std::move(branch));
    add("branch", *branch_);
  }
  SkipConnection(SkipConnection&&) noexcept = default;

  Tensor forward(const Tensor& x) const override {
    const Tensor y = (*branch_)(x);
    if (y.shape() != x.shape()) {
      fail("skip connection: x is " + to_string(x.shape()) + ", the branch returned " +
           to_string(y.shape()) + "; the shapes must match");
    }
    return x + y;
  }

 private:
  std::unique_ptr<Module> branch_;
};

}  // namespace ripieno::nn
