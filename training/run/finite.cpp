#include "ripieno/training/run/finite.h"

#include <algorithm>

namespace ripieno {
namespace {

constexpr int64_t kElementsAtOnce = int64_t{4} << 20;  // copied from a GPU

// A floating point number is not finite if all bits of its exponent are set.
template <typename Bits>
bool all_finite(const void* numbers, int64_t count, Bits exponent) {
  const auto* bits = static_cast<const Bits*>(numbers);
  Bits not_finite = 0;
  for (int64_t i = 0; i < count; ++i)
    not_finite = static_cast<Bits>(not_finite | ((bits[i] & exponent) == exponent));
  return not_finite == 0;
}

// `dense`: a contiguous tensor on the CPU.
bool all_finite(const Tensor& dense) {
  const void* numbers = dense.raw_data();
  switch (dense.dtype()) {
    case DType::float32:
      return all_finite<uint32_t>(numbers, dense.elements(), 0x7f800000u);
    case DType::bfloat16:
      return all_finite<uint16_t>(numbers, dense.elements(), 0x7f80u);
    case DType::float16:
      return all_finite<uint16_t>(numbers, dense.elements(), 0x7c00u);
    case DType::float64:
      return all_finite<uint64_t>(numbers, dense.elements(), 0x7ff0000000000000u);
    case DType::int64:
    case DType::int32:
    case DType::uint8:
    case DType::boolean:
      return true;
  }
  return true;
}

bool all_finite_in(Arena& arena) {
  if (!arena.device().is_cuda()) return all_finite(arena.flat());
  const int64_t elements = arena.layout().elements();
  for (int64_t begin = 0; begin < elements; begin += kElementsAtOnce) {
    const int64_t end = std::min(begin + kElementsAtOnce, elements);
    if (!all_finite(arena.range(begin, end).to(Device::cpu()))) return false;
  }
  return true;
}

}  // namespace

std::string first_not_finite(const Parameters& parameters) {
  if (all_finite_in(parameters.values())) return "";
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor values = parameters.tensors()[i].detach().to(Device::cpu()).dense();
    if (!all_finite(values)) return parameters.layout().entries()[i].name;
  }
  return "";  // it is in the padding between parameters, which is not saved
}

std::string first_not_finite(optim::Optimizer& optimizer) {
  const auto& entries = optimizer.parameters().layout().entries();
  for (const auto& state : optimizer.state()) {
    if (all_finite_in(*state.arena)) continue;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Tensor part = optimizer.part_of(state, i).part;
      if (!part.defined() || part.elements() == 0) continue;
      if (!all_finite(part.to(Device::cpu()).dense())) return state.name + "/" + entries[i].name;
    }
  }
  return "";
}

std::optional<int64_t> first_row_not_finite(const Tensor& rows) {
  if (!rows.defined() || rows.elements() == 0 || all_finite(rows.dense())) return std::nullopt;
  for (int64_t row = 0; row < rows.size(0); ++row) {
    if (!all_finite(rows.slice(0, row, row + 1).dense())) return row;
  }
  return std::nullopt;
}

}  // namespace ripieno
