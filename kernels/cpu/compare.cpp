#include "ripieno/kernels/compare.h"

#include <type_traits>
#include <utility>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {
namespace {

template <typename T>
auto number(T value) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

// Calls body with a constant of each operation, so that the choice is made outside the loop.
template <typename Operation, int last, typename Body>
void with_constant(Operation op, const Body& body) {
  const auto attempt = [&]<int i>(std::integral_constant<int, i>) {
    if (static_cast<int>(op) == i) body(std::integral_constant<Operation, Operation(i)>{});
  };
  [&]<int... i>(std::integer_sequence<int, i...>) {
    (attempt(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, last + 1>{});
}

}  // namespace

template <typename T>
void compare(OnCpu, bool* out, const T* a, const T* b, bool repeats_b, int64_t size,
             Comparison comparison) {
  with_constant<Comparison, static_cast<int>(Comparison::kIsFinite)>(comparison, [&](auto known) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
      const int64_t step = repeats_b ? 0 : 1;
      for (int64_t i = begin; i < end; ++i) {
        out[i] = formulas::compared(known.value, number(a[i]), number(b[i * step]));
      }
    });
  });
}

template <typename Word>
void select(OnCpu, Word* out, const bool* condition, const Word* a, bool repeats_a, const Word* b,
            bool repeats_b, int64_t size) {
  const int64_t step_a = repeats_a ? 0 : 1, step_b = repeats_b ? 0 : 1;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = condition[i] ? a[i * step_a] : b[i * step_b];
  });
}

template <typename T>
void integer_binary(OnCpu, T* out, const T* a, const T* b, bool repeats_b, int64_t size,
                    IntegerOperation op) {
  constexpr int kLast = static_cast<int>(IntegerOperation::kMinimum);
  with_constant<IntegerOperation, kLast>(op, [&](auto known) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
      const int64_t step = repeats_b ? 0 : 1;
      for (int64_t i = begin; i < end; ++i) {
        out[i] = formulas::integer_result(known.value, a[i], b[i * step]);
      }
    });
  });
}

#define RIPIENO_COMPARE(T) \
  template void compare(OnCpu, bool*, const T*, const T*, bool, int64_t, Comparison)
#define RIPIENO_SELECT(Word) \
  template void select(OnCpu, Word*, const bool*, const Word*, bool, const Word*, bool, int64_t)
#define RIPIENO_INTEGER_BINARY(T) \
  template void integer_binary(OnCpu, T*, const T*, const T*, bool, int64_t, IntegerOperation)

RIPIENO_COMPARE(float);
RIPIENO_COMPARE(double);
RIPIENO_COMPARE(bfloat16);
RIPIENO_COMPARE(float16);
RIPIENO_COMPARE(int64_t);
RIPIENO_COMPARE(int32_t);
RIPIENO_COMPARE(uint8_t);
RIPIENO_SELECT(uint8_t);
RIPIENO_SELECT(uint16_t);
RIPIENO_SELECT(uint32_t);
RIPIENO_SELECT(uint64_t);
RIPIENO_INTEGER_BINARY(int64_t);
RIPIENO_INTEGER_BINARY(int32_t);
RIPIENO_INTEGER_BINARY(uint8_t);

#undef RIPIENO_COMPARE
#undef RIPIENO_SELECT
#undef RIPIENO_INTEGER_BINARY

}  // namespace ripieno::kernels
