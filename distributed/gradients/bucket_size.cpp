#include "ripieno/distributed/gradients/bucket_size.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include "ripieno/core/device/copy.h"

namespace ripieno::distributed {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
constexpr double kFast = 1.25e9;  // 10 Gbit/s

// The time of one all-reduce of x: the mean over the ranks, the minimum of three repetitions.
double seconds_of_all_reduce(Communicator& ranks, const Tensor& x) {
  using Clock = std::chrono::steady_clock;
  ranks.all_reduce(x);  // warm-up: the first of a size may allocate
  synchronize(x.device());
  double least = 0;
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    ranks.all_reduce(x);
    synchronize(x.device());
    Tensor seconds = Tensor::full({}, std::chrono::duration<double>(Clock::now() - start).count(),
                                  DType::float64);
    ranks.all_reduce(seconds);
    const double mean = seconds.item() / ranks.size();
    least = i == 0 ? mean : std::min(least, mean);
  }
  return least;
}

}  // namespace

std::size_t bucket_bytes_for(double link_bytes_per_s, std::size_t gradient_bytes) {
  const std::size_t eighth = std::max(gradient_bytes / 8, kMebibyte);
  if (link_bytes_per_s >= kFast) return std::min(25 * kMebibyte, eighth);
  const auto in_50_ms = std::bit_floor(static_cast<std::size_t>(link_bytes_per_s * 0.05));
  return std::min(std::clamp(in_50_ms, kMebibyte, 4 * kMebibyte), eighth);
}

BucketSize measured_bucket_size(Communicator& ranks, std::size_t gradient_bytes, Device device) {
  if (gradient_bytes <= kMebibyte) return {kMebibyte, 0, "all gradients in one bucket"};
  double link = 0, seconds = 0;
  for (std::size_t bytes = kMebibyte / 4; bytes <= 4 * kMebibyte && seconds < 0.02; bytes *= 2) {
    const Tensor x =
        Tensor::zeros({static_cast<int64_t>(bytes / sizeof(float))}, DType::float32, device);
    seconds = seconds_of_all_reduce(ranks, x);
    const double share = 2.0 * (ranks.size() - 1) / ranks.size();
    link = std::max(link, share * static_cast<double>(bytes) / seconds);
  }
  return {bucket_bytes_for(link, gradient_bytes), link, "measured at startup"};
}

BucketSize bucket_size_of(Communicator& ranks, std::optional<std::size_t> bytes,
                          const Arena& gradients) {
  const auto gradient_bytes =
      static_cast<std::size_t>(gradients.layout().elements()) * size_of(gradients.dtype());
  if (bytes) return {*bytes, 0, "as configured"};
  if (ranks.size() == 1) return {gradient_bytes, 0, "one rank"};
  return measured_bucket_size(ranks, gradient_bytes, gradients.device());
}

}  // namespace ripieno::distributed
