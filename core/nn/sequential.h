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
  template <typename... Modules>
  requires((std::derived_from<std::remove_cvref_t<Modules>, Module> &&
            ...)) explicit Sequential(Modules&&... modules) {
    (append(std::forward<Modules>(modules)), ...);
  }

  // Moves in one more module, and returns it.
  template <std::derived_from<Module> Child>
  Child& append(Child&& child) {
    static_assert(!std::is_lvalue_reference_v<Child>, "use append(std::move(child))");
    auto moved = std::make_unique<Child>(std::move(child));
    Child& result = *moved;
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
