#include "ripieno/tools/doctor/speeds.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/matmul.h"

namespace ripieno::tools::doctor {
namespace {

using Clock = std::chrono::steady_clock;

// A product of a transformer's size; values other than zeros, which are faster.
constexpr int64_t kRows = 512, kColumns = 1024, kInner = 1024;
constexpr double kSeconds = 0.3;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename T>
std::vector<T> values(int64_t count) {
  std::vector<T> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back(T(static_cast<float>(i * 2654435761 % 1000) / 500 - 1));
  return all;
}

// The best of the products within kSeconds, in 1e9 operations per second.
template <typename T>
double product_rate(int threads) {
  kernels::set_cpu_threads(threads);
  const auto a = values<T>(kRows * kInner), b = values<T>(kInner * kColumns);
  std::vector<T> c(static_cast<std::size_t>(kRows * kColumns));
  const kernels::MatmulShape shape{
      .m = kRows, .n = kColumns, .k = kInner, .lda = kInner, .ldb = kColumns, .ldc = kColumns};
  double best = 1e9;
  for (const auto start = Clock::now(); seconds_since(start) < kSeconds;) {
    const auto begin = Clock::now();
    kernels::matmul(kernels::OnCpu{}, c.data(), a.data(), b.data(), shape, false);
    best = std::min(best, seconds_since(begin));
  }
  return 2e-9 * kRows * kColumns * kInner / best;
}

// Each thread copies its own 32 MiB, which exceeds the caches.
double memory_rate(int threads) {
  constexpr std::size_t kBytes = 32 << 20;
  constexpr int kRepeats = 6;
  std::vector<std::vector<char>> from, to;
  for (int i = 0; i < threads; ++i) {
    from.emplace_back(kBytes, 'x');
    to.emplace_back(kBytes, 'y');
  }
  const auto start = Clock::now();
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    const auto index = static_cast<std::size_t>(i);
    all.emplace_back([source = from[index].data(), target = to[index].data()] {
      for (int repeat = 0; repeat < kRepeats; ++repeat) std::memcpy(target, source, kBytes);
    });
  }
  for (auto& thread : all) thread.join();
  return 2e-9 * kRepeats * static_cast<double>(kBytes) * threads / seconds_since(start);
}

}  // namespace

Speeds measure_speeds(int cores) {
  constexpr int kMostThreads = 64;
  Speeds speeds;
  speeds.gflops_of_one_core = {.f32 = product_rate<float>(1),
                               .bf16 = product_rate<kernels::bfloat16>(1)};
  speeds.gflops = {.f32 = product_rate<float>(cores),
                   .bf16 = product_rate<kernels::bfloat16>(cores)};
  speeds.memory_gb_per_second = memory_rate(std::min(cores, kMostThreads));
  return speeds;
}

}  // namespace ripieno::tools::doctor
