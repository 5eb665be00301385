#include "ripieno/kernels/attention.h"

#include "kernels/values.h"
#include "ripieno/kernels/cpu_bfloat16.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {
namespace {

// q, k and v packed as (batch, time, 3, heads, head_size), and all outputs and gradients.
template <typename T>
struct Problem {
  using A = accumulator_t<T>;
  AttentionShape shape;
  int64_t channels;
  std::vector<T> packed, out, grad_out, grad_packed;
  std::vector<A> log_sum_exp;
  std::vector<unsigned char> workspace;

  Problem(int64_t batch, int64_t time, int64_t heads, int64_t head_size)
      : shape{.batch = batch, .time = time, .heads = heads, .head_size = head_size},
        channels(heads * head_size),
        packed(random_values<T>(batch * time * 3 * channels, 1)),
        out(batch * time * channels),
        grad_out(random_values<T>(batch * time * channels, 2, -1, 1)),
        grad_packed(packed.size(), T(99.0f)),  // must be overwritten
        log_sum_exp(2 * batch * heads * time),
        workspace(attention_backward_workspace_bytes<T>(OnCpu{}, shape)) {
    shape.qkv_time_stride = 3 * channels;
    shape.qkv_batch_stride = time * shape.qkv_time_stride;
    shape.scale = 1 / std::sqrt(static_cast<double>(head_size));
  }

  void forward() {
    attention_forward(OnCpu{}, out.data(), log_sum_exp.data(), nullptr, packed.data(),
                      packed.data() + channels, packed.data() + 2 * channels, shape);
  }
  void backward() {
    attention_backward(OnCpu{},
                       AttentionBackwardArguments<T>{.grad_q = grad_packed.data(),
                                                     .grad_k = grad_packed.data() + channels,
                                                     .grad_v = grad_packed.data() + 2 * channels,
                                                     .workspace = workspace.data(),
                                                     .grad_out = grad_out.data(),
                                                     .q = packed.data(),
                                                     .k = packed.data() + channels,
                                                     .v = packed.data() + 2 * channels,
                                                     .out = out.data(),
                                                     .log_sum_exp = log_sum_exp.data()},
                       shape);
  }

  // Makes all scores slightly more than 102400, exactly representable in all types: the first
  // channel makes them large, products of the others are multiples of 1/32. For heads of 16
  // channels.
  void make_scores_large() {
    for_each_query_and_key([&](int which, int64_t first) {
      packed[first] = T(640.0f);
      const float unit = which == 0 ? 0.25f : 0.125f;
      for (int64_t d = 1; d < shape.head_size; ++d) {
        const double value = to_double(packed[first + d]);
        packed[first + d] = T(unit * static_cast<float>(std::lround(value / 0.125)));
      }
    });
  }
  // Clears the gradients of the first channels, which are sums of large numbers that nearly cancel.
  void clear_first_channel_gradients(std::vector<double>& expected) {
    for_each_query_and_key([&](int, int64_t first) {
      grad_packed[first] = T(0.0f);
      expected[first] = 0;
    });
  }

  // which: 0 for q, 1 for k, 2 for v.
  int64_t at(int which, int64_t b, int64_t t, int64_t h) const {
    return ((b * shape.time + t) * 3 + which) * channels + h * shape.head_size;
  }
  int64_t out_at(int64_t b, int64_t t, int64_t h) const {
    return (b * shape.time + t) * channels + h * shape.head_size;
  }

 private:
  template <typename Body>
  void for_each_query_and_key(const Body& body) {
    for (int64_t row = 0; row < shape.batch * shape.time; ++row) {
      for (int64_t h = 0; h < shape.heads; ++h) {
        for (const int which : {0, 1}) body(which, at(which, 0, row, h));
      }
    }
  }
};

// Textbook attention with the full matrix of probabilities.
template <typename T>
struct Reference {
  std::vector<double> out, grad, log_sum_exp;

  explicit Reference(const Problem<T>& p)
      : out(p.out.size()),
        grad(p.packed.size()),
        x_(to_doubles(p.packed)),
        g_(to_doubles(p.grad_out)) {
    for (int64_t b = 0; b < p.shape.batch; ++b) {
      for (int64_t h = 0; h < p.shape.heads; ++h) {
        for (int64_t t = 0; t < p.shape.time; ++t) query(p, b, h, t);
      }
    }
  }

 private:
  std::vector<double> x_, g_;

  double dot(const std::vector<double>& a, int64_t i, const std::vector<double>& b, int64_t j,
             int64_t size) const {
    double sum = 0;
    for (int64_t d = 0; d < size; ++d) sum += a[i + d] * b[j + d];
    return sum;
  }

  void query(const Problem<T>& p, int64_t b, int64_t h, int64_t t) {
    const int64_t size = p.shape.head_size, q = p.at(0, b, t, h), o = p.out_at(b, t, h);
    std::vector<double> probability;  // scores at first
    for (int64_t s = 0; s <= t; ++s) {
      probability.push_back(p.shape.scale * dot(x_, q, x_, p.at(1, b, s, h), size));
    }
    const double largest = *std::max_element(probability.begin(), probability.end());
    double sum = 0;
    for (double& x : probability) sum += x = std::exp(x - largest);
    log_sum_exp.push_back(largest + std::log(sum));
    double mean_slope = 0;  // mean of the gradients of the probabilities
    for (int64_t s = 0; s <= t; ++s) {
      probability[s] /= sum;
      const int64_t v = p.at(2, b, s, h);
      for (int64_t d = 0; d < size; ++d) out[o + d] += probability[s] * x_[v + d];
      mean_slope += probability[s] * dot(g_, o, x_, v, size);
    }
    for (int64_t s = 0; s <= t; ++s) {
      const int64_t k = p.at(1, b, s, h), v = p.at(2, b, s, h);
      const double slope = p.shape.scale * probability[s] * (dot(g_, o, x_, v, size) - mean_slope);
      for (int64_t d = 0; d < size; ++d) {
        grad[v + d] += probability[s] * g_[o + d];
        grad[q + d] += slope * x_[k + d];
        grad[k + d] += slope * x_[q + d];
      }
    }
  }
};

template <typename T>
class Attention : public testing::Test {};
TYPED_TEST_SUITE(Attention, Floats);

// Less than one key block, exactly one, one more, several; head sizes that are no multiple of a
// vector.
constexpr int64_t kTimes[] = {1, 31, 64, 65, 130, 200};

TYPED_TEST(Attention, ForwardIsTheTextbookFormula) {
  for (const int64_t time : kTimes) {
    for (const int64_t head_size : {1, 32, 33}) {
      Problem<TypeParam> p(2, time, 3, head_size);
      const Reference<TypeParam> expected(p);
      p.forward();
      expect_close(p.out, expected.out, 64.0);
      p.log_sum_exp.resize(expected.log_sum_exp.size());  // without the rounding errors
      expect_close(p.log_sum_exp, expected.log_sum_exp, 64.0);
    }
  }
}

TYPED_TEST(Attention, BackwardIsTheTextbookFormula) {
  for (const int64_t time : kTimes) {
    for (const int64_t head_size : {1, 32, 33}) {
      Problem<TypeParam> p(2, time, 3, head_size);
      const Reference<TypeParam> expected(p);
      p.forward();
      p.backward();
      // The backward uses `out` as it was rounded by the forward.
      constexpr double kOfOut = kEpsilon<TypeParam> / kEpsilon<accumulator_t<TypeParam>>;
      expect_close(p.grad_packed, expected.grad, 256.0 + 8.0 * kOfOut);
    }
  }
}

TYPED_TEST(Attention, LosesNoPrecisionWhereAllScoresAreLarge) {
  for (const int64_t time : {31, 130}) {
    Problem<TypeParam> p(2, time, 3, 16);
    p.make_scores_large();
    Reference<TypeParam> expected(p);
    p.forward();
    expect_close(p.out, expected.out, 64.0);
    p.backward();
    p.clear_first_channel_gradients(expected.grad);
    constexpr double kOfOut = kEpsilon<TypeParam> / kEpsilon<accumulator_t<TypeParam>>;
    expect_close(p.grad_packed, expected.grad, 256.0 + 8.0 * kOfOut);
  }
}

TYPED_TEST(Attention, DoesNotDependOnTheNumberOfThreads) {
  Problem<TypeParam> alone(3, 130, 3, 33), together(3, 130, 3, 33);
  alone.forward();
  alone.backward();
  set_cpu_threads(4);
  together.forward();
  together.backward();
  set_cpu_threads(1);
  expect_identical(together.out, alone.out);
  expect_identical(together.grad_packed, alone.grad_packed);
}

TYPED_TEST(Attention, OfAQueryDoesNotDependOnLaterKeys) {
  Problem<TypeParam> p(1, 200, 2, 33), changed(1, 200, 2, 33);
  std::fill(changed.packed.begin() + changed.at(0, 0, 150, 0), changed.packed.end(),
            TypeParam(9.0f));
  p.forward();
  changed.forward();
  const auto middle = p.out_at(0, 150, 0);
  expect_identical<TypeParam>({changed.out.begin(), changed.out.begin() + middle},
                              {p.out.begin(), p.out.begin() + middle});
}

TEST(Attention, IsFiniteForLargeScores) {
  Problem<float> p(1, 70, 1, 32);
  for (float& x : p.packed) x *= 1000.0f;
  p.forward();
  p.backward();
  for (const float x : p.out) ASSERT_TRUE(std::isfinite(x));
  for (const float x : p.grad_packed) ASSERT_TRUE(std::isfinite(x));
}

TEST(Bfloat16Attention, DoesNotDependOnTheProcessorsInstructions) {
  if (!uses_bfloat16_instructions()) GTEST_SKIP() << "no bfloat16 instructions, or disabled";
  for (const int64_t time : {1, 31, 64, 65, 130}) {
    Problem<bfloat16> with(2, time, 3, 33), without(2, time, 3, 33);
    with.forward();
    with.backward();
    use_bfloat16_instructions(false);
    without.forward();
    without.backward();
    use_bfloat16_instructions(true);
    expect_identical(with.out, without.out);
    expect_identical(with.log_sum_exp, without.log_sum_exp);
    expect_identical(with.grad_packed, without.grad_packed);
  }
}

}  // namespace
}  // namespace ripieno::kernels
