// ModuleList: modules that a model holds and calls as it likes.
//
//   nn::ModuleList<nn::Linear> layers;   // named "0", "1", …
//   layers.append(nn::Linear(8, 8));
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

template <std::derived_from<Module> Element = Module>
class ModuleList final : public Module {
 public:
  // Moves in one more module, of class Element or derived from it, and returns it.
  template <std::derived_from<Element> Given>
  Given& append(Given&& module) {
    static_assert(!std::is_lvalue_reference_v<Given>, "use append(std::move(module))");
    auto moved = std::make_unique<Given>(std::move(module));
    Given& result = *moved;
    add(std::to_string(modules_.size()), result);
    modules_.push_back(std::move(moved));
    return result;
  }

  std::size_t size() const { return modules_.size(); }
  Element& operator[](std::size_t index) { return *modules_[index]; }
  const Element& operator[](std::size_t index) const { return *modules_[index]; }

 private:
  std::vector<std::unique_ptr<Element>> modules_;
};

}  // namespace ripieno::nn
