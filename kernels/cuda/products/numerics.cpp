#include "ripieno/kernels/numerics.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "ripieno/kernels/cuda/products/algorithm_choices.h"

namespace ripieno::kernels {
namespace {

std::atomic<Numerics> current = [] {
  const char* const epilogues = std::getenv("RIPIENO_MATMUL_EPILOGUES");
  return Numerics{.fused_epilogues = epilogues == nullptr || std::string_view(epilogues) != "0"};
}();
static_assert(decltype(current)::is_always_lock_free);

}  // namespace

Numerics numerics() { return current.load(std::memory_order_relaxed); }

void set_numerics(const Numerics& numerics) {
  const Numerics before = current.exchange(numerics);
  const auto guesses = [](const Numerics& n) { return n.algorithms == ProductAlgorithms::guessed; };
  if (guesses(before) != guesses(numerics) || before.fused_epilogues != numerics.fused_epilogues) {
    cuda::algorithm_choices().next_generation();
  }
}

}  // namespace ripieno::kernels
