#include "ripieno/tools/doctor/all_reduce.h"

#include <algorithm>
#include <chrono>

#include "ripieno/core/tensor.h"
#include "ripieno/distributed/communicators/exchange.h"

namespace ripieno::tools::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSizes[] = {16 << 10, 256 << 10, 4 << 20};  // elements of float32
constexpr int64_t kMostNanoseconds = 100'000'000;             // before a larger size is tried
constexpr int kSmallRepeats = 15, kRepeats = 3;
constexpr int64_t kPeriod = 7;

// Small whole numbers, whose sum is exact in any order.
float value_of(int rank, int64_t i) { return static_cast<float>((rank + 1) * (i % kPeriod + 1)); }

void fill(const Tensor& x, int rank) {
  auto* values = x.data<float>();
  for (int64_t i = 0; i < x.elements(); ++i) values[i] = value_of(rank, i);
}

int64_t wrong_elements_of(const Tensor& x, int ranks) {
  const auto* values = x.data<float>();
  const float sum_of_ranks = static_cast<float>(ranks) * static_cast<float>(ranks + 1) / 2;
  int64_t wrong = 0;
  for (int64_t i = 0; i < x.elements(); ++i)
    wrong += values[i] != sum_of_ranks * static_cast<float>(i % kPeriod + 1);
  return wrong;
}

// All ranks begin together.
double seconds_of_one(distributed::Communicator& all, const Tensor& x) {
  all.barrier();
  const auto start = Clock::now();
  all.all_reduce(x);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

AllReduceFacts measure_all_reduce(distributed::Communicator& all) {
  AllReduceFacts facts;
  int64_t wrong = 0;
  std::vector<double> small;
  const Tensor one = Tensor::zeros({1});
  for (int i = 0; i < kSmallRepeats; ++i) small.push_back(seconds_of_one(all, one));
  std::nth_element(small.begin(), small.begin() + kSmallRepeats / 2, small.end());
  facts.small_seconds = small[kSmallRepeats / 2];
  for (const int64_t elements : kSizes) {
    const Tensor x = Tensor::zeros({elements});
    double best = 1e9;
    for (int i = 0; i < kRepeats; ++i) {
      fill(x, all.rank());
      best = std::min(best, seconds_of_one(all, x));
      wrong += wrong_elements_of(x, all.size());
    }
    facts.bytes = elements * static_cast<int64_t>(sizeof(float));
    facts.seconds = best;
    const auto of_ranks = distributed::gather(all, static_cast<int64_t>(best * 1e9));
    if (*std::max_element(of_ranks.begin(), of_ranks.end()) > kMostNanoseconds) break;
  }
  facts.wrong_elements = distributed::gather(all, wrong);
  return facts;
}

double latency_of(const AllReduceFacts& facts, int ranks) {
  return ranks < 2 ? 0 : facts.small_seconds / (2 * (ranks - 1));
}

double bytes_per_second_of(const AllReduceFacts& facts, int ranks) {
  const double seconds = std::max(facts.seconds - facts.small_seconds, facts.seconds / 10);
  if (ranks < 2 || seconds <= 0) return 0;
  return 2.0 * (ranks - 1) / ranks * static_cast<double>(facts.bytes) / seconds;
}

}  // namespace ripieno::tools::doctor
