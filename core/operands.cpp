#include "ripieno/core/operands.h"

#include <fmt/format.h>

namespace ripieno {
namespace {

template <typename Matches>
void require(const char* operation, Operands operands, const Matches& matches) {
  const Operand* first = nullptr;
  for (const Operand& operand : operands) {
    if (!operand.tensor.defined()) continue;
    if (first == nullptr) first = &operand;
    if (matches(first->tensor, operand.tensor)) continue;
    const auto type_and_device = [](const Tensor& x) {
      return fmt::format("{} on {}", name_of(x.dtype()), to_string(x.device()));
    };
    fail(fmt::format("{}: {} is {}, {} is {}; they must match", operation, first->name,
                     type_and_device(first->tensor), operand.name,
                     type_and_device(operand.tensor)));
  }
}

}  // namespace

void require_defined(const char* operation, Operands operands) {
  for (const Operand& operand : operands) {
    if (!operand.tensor.defined()) {
      fail(fmt::format("{}: {} is undefined", operation, operand.name));
    }
  }
}

void require_one_device(const char* operation, Operands operands) {
  require(operation, operands,
          [](const Tensor& a, const Tensor& b) { return a.device() == b.device(); });
}

void require_one_type(const char* operation, Operands operands) {
  require(operation, operands, [](const Tensor& a, const Tensor& b) {
    return a.device() == b.device() && a.dtype() == b.dtype();
  });
}

}  // namespace ripieno
