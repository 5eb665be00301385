// Sequential: a chain of modules with one input each.
//
//   nn::Sequential model{nn::Linear(784, 128, {.activation = Activation::kRelu}),
//                        nn::Linear(128, 10)};
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

class Sequential final : public Module {
 public:
  // Moves the modules in; they are named "0", "1", ….
  template <typename... Parts>
  requires((std::derived_from<std::remove_cvref_t<Parts>, Module> &&
            ...)) explicit Sequential(Parts&&... parts) {
    (append(std::forward<Parts>(parts)), ...);
  }

  // Moves in one more module, and returns it.
  template <std::derived_from<Module> Part>
  Part& append(Part&& part) {
    static_assert(!std::is_lvalue_reference_v<Part>, "append(std::move(part))");
    auto moved = std::make_unique<Part>(std::move(part));
    Part& result = *moved;
    add(std::to_string(modules_.size()), result);
    modules_.push_back(std::move(moved));
    return result;
  }

  std::size_t size() const { return modules_.size(); }
  Module& operator[](std::size_t index) { return *modules_[index]; }

  Tensor forward(const Tensor& x) const override {
    Tensor result = x;
    for (const auto& module : modules_) result = (*module)(result);
    return result;
  }

 private:
  std::vector<std::unique_ptr<Module>> modules_;
};

}  // namespace ripieno::nn
