#include "ripieno/kernels/attention.h"

#include <vector>

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Attention : public KernelTest {};

// The larger workspace of the two backends.
Both<unsigned char> workspace_of(int64_t on_cpu, int64_t on_cuda) {
  return Both<unsigned char>(std::max(on_cpu, on_cuda));
}
template <typename T>
Both<unsigned char> forward_workspace(const kernels::AttentionShape& shape) {
  return workspace_of(kernels::attention_forward_workspace_bytes<T>(OnCpu{}, shape),
                      kernels::attention_forward_workspace_bytes<T>(OnCuda{}, shape));
}
template <typename T>
Both<unsigned char> backward_workspace(const kernels::AttentionShape& shape) {
  return workspace_of(kernels::attention_backward_workspace_bytes<T>(OnCpu{}, shape),
                      kernels::attention_backward_workspace_bytes<T>(OnCuda{}, shape));
}

INSTANTIATE_TEST_SUITE_P(Cuda, Attention, device_runs(), run_name);

struct Case {
  int64_t batch, time, heads, head_size;
};

// kFewCases are for all types; kMoreCases for float only, since other types differ only in tile
// size: times around the size of a tile, and head sizes around a tile, a slice and 16 bytes.
constexpr Case kFewCases[] = {{1, 1, 1, 1}, {2, 31, 2, 8}, {1, 40, 1, 33}};
constexpr Case kWholeTile[] = {{1, 66, 1, 64}};  // 16-bit types: uses the library on a GPU
constexpr Case kMoreCases[] = {{1, 64, 1, 24}, {1, 65, 1, 64}, {1, 129, 1, 8},
                               {1, 33, 1, 80}, {1, 9, 1, 128}, {1, 5, 1, 300}};

template <typename T>
std::vector<Case> cases() {
  std::vector<Case> all(std::begin(kFewCases), std::end(kFewCases));
  if (sizeof(T) == 2) all.insert(all.end(), std::begin(kWholeTile), std::end(kWholeTile));
  if (sizeof(T) == 4) all.insert(all.end(), std::begin(kMoreCases), std::end(kMoreCases));
  return all;
}

// q, k and v packed as (batch, time, 3, heads, head_size).
kernels::AttentionShape packed(const Case& c) {
  const int64_t row = 3 * c.heads * c.head_size;
  return {.batch = c.batch,
          .time = c.time,
          .heads = c.heads,
          .head_size = c.head_size,
          .qkv_batch_stride = c.time * row,
          .qkv_time_stride = row,
          .scale = 1.0 / std::sqrt(static_cast<double>(c.head_size))};
}

TEST_P(Attention, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Case& c : cases<T>()) {
      const auto shape = packed(c);
      const int64_t channels = c.heads * c.head_size;
      Both<T> qkv = some_numbers<T>(3 * c.batch * c.time * channels, 1);
      Both<T> out(c.batch * c.time * channels);
      Both<accumulator_t<T>> log_sum_exp(2 * c.batch * c.heads * c.time);
      auto workspace = forward_workspace<T>(shape);
      on_both([&](auto place, auto at) {
        const T* q = at(qkv);
        kernels::attention_forward(place, at(out), at(log_sum_exp), at(workspace), q, q + channels,
                                   q + 2 * channels, shape);
      });
      expect_agreement(out, 2 * kTolerance<T>);
      expect_agreement(log_sum_exp, 2 * kTolerance<T>);
    }
  });
}

TEST_P(Attention, BackwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Case& c : cases<T>()) {
      const auto shape = packed(c);
      const int64_t channels = c.heads * c.head_size, size = c.batch * c.time * channels;
      Both<T> qkv = some_numbers<T>(3 * size, 1), out(size), grad_out = some_numbers<T>(size, 2);
      Both<accumulator_t<T>> log_sum_exp(2 * c.batch * c.heads * c.time);
      auto workspace = backward_workspace<T>(shape);
      Both<T> gradient(3 * size);
      kernels::attention_forward(OnCpu{}, out.host(), log_sum_exp.host(), nullptr, qkv.host(),
                                 qkv.host() + channels, qkv.host() + 2 * channels, shape);
      out.update_device();
      log_sum_exp.update_device();
      on_both([&](auto place, auto at) {
        const T* q = at(qkv);
        T* grad_q = at(gradient);
        kernels::attention_backward(
            place,
            kernels::AttentionBackwardArguments<T>{.grad_q = grad_q,
                                                   .grad_k = grad_q + channels,
                                                   .grad_v = grad_q + 2 * channels,
                                                   .workspace = at(workspace),
                                                   .grad_out = at(grad_out),
                                                   .q = q,
                                                   .k = q + channels,
                                                   .v = q + 2 * channels,
                                                   .out = at(out),
                                                   .log_sum_exp = at(log_sum_exp)},
            shape);
      });
      expect_agreement(gradient, 8 * kTolerance<T>);
    }
  });
}

// One head of 16 channels, the first of which makes all scores 102400; and all results.
template <typename T>
struct LargeScores {
  static constexpr int64_t kTime = 70, kChannels = 16;
  kernels::AttentionShape shape = packed({1, kTime, 1, kChannels});
  Both<T> qkv = some_numbers<T>(3 * kTime * kChannels, 1);
  Both<T> grad_out = some_numbers<T>(kTime * kChannels, 2);
  Both<T> out = Both<T>(kTime * kChannels), gradient = Both<T>(3 * kTime * kChannels);
  Both<accumulator_t<T>> log_sum_exp = Both<accumulator_t<T>>(2 * kTime);
  Both<unsigned char> workspace = backward_workspace<T>(shape);

  // unit: step of the other channels of q and k, so small that no score is rounded.
  explicit LargeScores(double unit) {
    for (int64_t i = 0; i < qkv.size(); ++i) {
      const int64_t channel = i % (3 * kChannels);
      if (channel >= 2 * kChannels) continue;
      const double value = unit * std::round(to_double(qkv.host()[i]) * 8);
      qkv.host()[i] = T(static_cast<accumulator_t<T>>(channel % kChannels == 0 ? 640 : value));
    }
    qkv.update_device();
  }
  void run() {
    on_both([&](auto place, auto at) {
      const T* q = at(qkv);
      T* to = at(gradient);
      kernels::attention_forward(place, at(out), at(log_sum_exp), at(workspace), q, q + kChannels,
                                 q + 2 * kChannels, shape);
      kernels::attention_backward(
          place,
          kernels::AttentionBackwardArguments<T>{.grad_q = to,
                                                 .grad_k = to + kChannels,
                                                 .grad_v = to + 2 * kChannels,
                                                 .workspace = at(workspace),
                                                 .grad_out = at(grad_out),
                                                 .q = q,
                                                 .k = q + kChannels,
                                                 .v = q + 2 * kChannels,
                                                 .out = at(out),
                                                 .log_sum_exp = at(log_sum_exp)},
          shape);
    });
  }
};

TEST_P(Attention, AgreesWithTheCpuWhereAllScoresAreLarge) {
  for_each_float_type([]<typename T>(Type<T>) {
    LargeScores<T> p(0.25);
    p.run();
    expect_agreement(p.out, 2 * kTolerance<T>);
    const auto gradient = p.gradient.from_device();
    for (int64_t i = 0; i < p.gradient.size(); ++i) {
      // The gradient of the first channel is a sum of large numbers that nearly cancel.
      if (const int64_t channel = i % 48; channel == 0 || channel == 16) continue;
      const double expected = to_double(p.gradient.host()[i]);
      ASSERT_TRUE(agree(to_double(gradient[i]), expected, 8 * kTolerance<T>))
          << "element " << i << ": device " << to_double(gradient[i]) << ", CPU " << expected;
    }
  });
}

TEST_P(Attention, OfEqualLargeScoresIsTheMean) {
  for_each_float_type([]<typename T>(Type<T>) {
    LargeScores<T> p(0.0);
    p.run();
    const auto gradient = p.gradient.from_device();
    for (int64_t channel = 0; channel < 16; ++channel) {
      double expected = 0;  // sum over all means that the value at `time` is part of
      for (int64_t time = 69; time >= 0; --time) {
        const double slope = to_double(p.grad_out.host()[time * 16 + channel]);
        expected += slope / static_cast<double>(time + 1);
        const double actual = to_double(gradient[time * 48 + 32 + channel]);
        ASSERT_TRUE(agree(actual, expected, 2 * kTolerance<T>)) << time << ", " << channel;
      }
    }
  });
}

TEST_P(Attention, ARepeatableBackwardIsBitwiseReproducible) {
  auto shape = packed({2, 66, 1, 64});
  shape.repeatable = true;
  const int64_t size = 2 * 66 * 64;
  Both<bfloat16> qkv = some_numbers<bfloat16>(3 * size, 1),
                 grad_out = some_numbers<bfloat16>(size, 2);
  Both<bfloat16> out = some_numbers<bfloat16>(size, 3);
  Both<float> log_sum_exp = some_numbers<float>(2 * 2 * 66, 4, 2.0, 3.0);
  auto workspace = backward_workspace<bfloat16>(shape);
  const auto gradient_of = [&] {
    Both<bfloat16> gradient(3 * size);
    const bfloat16* const q = qkv.device();
    bfloat16* const to = gradient.device();
    kernels::attention_backward(
        OnCuda{},
        kernels::AttentionBackwardArguments<bfloat16>{.grad_q = to,
                                                      .grad_k = to + 64,
                                                      .grad_v = to + 128,
                                                      .workspace = workspace.device(),
                                                      .grad_out = grad_out.device(),
                                                      .q = q,
                                                      .k = q + 64,
                                                      .v = q + 128,
                                                      .out = out.device(),
                                                      .log_sum_exp = log_sum_exp.device()},
        shape);
    return gradient.from_device();
  };
  const auto first = gradient_of(), second = gradient_of();
  EXPECT_EQ(std::memcmp(first.get(), second.get(), 3 * size * sizeof(bfloat16)), 0);
}

}  // namespace
}  // namespace ripieno::testing
