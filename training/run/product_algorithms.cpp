#include "ripieno/training/run/product_algorithms.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/kernels/fnv1a.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno {
namespace {

constexpr const char* kMember = "matmul_algorithms";

bool only_guesses() {
  return kernels::numerics().algorithms == kernels::ProductAlgorithms::guessed;
}

}  // namespace

ProductAlgorithms ProductAlgorithms::of_this_process() {
  return {.text = [] { return only_guesses() ? std::string() : kernels::matmul_algorithms(); },
          .take = [](std::string_view text) { kernels::use_matmul_algorithms(text); }};
}

void share_product_algorithms(distributed::Communicator& ranks, const ProductAlgorithms& mine) {
  if (ranks.size() == 1) return;
  const std::string text = mine.text();
  const auto hashes = gather(ranks, static_cast<int64_t>(kernels::fnv1a(text)));
  const auto is_first = [&](int64_t hash) { return hash == hashes.front(); };
  if (std::all_of(hashes.begin(), hashes.end(), is_first)) return;
  const auto texts = gather(ranks, text);
  for (auto of_rank = texts.rbegin(); of_rank != texts.rend(); ++of_rank) mine.take(*of_rank);
}

void keep_product_algorithms(nlohmann::json& training_state) {
  const std::string text = ProductAlgorithms::of_this_process().text();
  if (!text.empty()) training_state[kMember] = text;
}

void restore_product_algorithms(const nlohmann::json& training_state) {
  if (only_guesses() || !training_state.contains(kMember)) return;
  kernels::use_matmul_algorithms(io::text_member(training_state, kMember));
}

}  // namespace ripieno
