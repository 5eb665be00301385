#include "ripieno/kernels/numerics.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "ripieno/kernels/cuda/products/algorithm_choices.h"

namespace ripieno::kernels {
namespace {

bool is_off(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && std::string_view(value) == "0";
}

std::atomic<Numerics> current = numerics_of_environment();
static_assert(decltype(current)::is_always_lock_free);

}  // namespace

Numerics numerics_of_environment() {
  Numerics numerics;
  if (is_off("RIPIENO_MATMUL_MEASURE")) numerics.algorithms = ProductAlgorithms::guessed;
  numerics.fused_epilogues = !is_off("RIPIENO_MATMUL_EPILOGUES");
  numerics.library_attention = !is_off("RIPIENO_USE_CUDNN");
  return numerics;
}

Numerics numerics() { return current.load(std::memory_order_relaxed); }

void set_numerics(const Numerics& numerics) {
  const Numerics before = current.exchange(numerics);
  const auto guesses = [](const Numerics& n) { return n.algorithms == ProductAlgorithms::guessed; };
  if (guesses(before) != guesses(numerics) || before.fused_epilogues != numerics.fused_epilogues) {
    cuda::algorithm_choices().next_generation();
  }
}

}  // namespace ripieno::kernels
