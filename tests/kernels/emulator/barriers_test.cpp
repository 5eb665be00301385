// Disables each barrier of the kernels in turn, and requires that some order of threads reveals it.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "kernel_test.h"
#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/layer_norm.h"
#include "ripieno/kernels/reduce.h"
#include "ripieno/kernels/softmax.h"

namespace ripieno::testing {
namespace {

template <typename T>
bool agrees(Both<T>& array) {
  const auto device = array.from_device();
  for (int64_t i = 0; i < array.size(); ++i) {
    if (!agree(to_double(device[i]), to_double(array.host()[i]), kTolerance<T>)) return false;
  }
  return true;
}

bool softmax_agrees() {
  for (const int64_t cols : {1001, 5000}) {
    Both<float> out(cols), in = some_numbers<float>(cols, 1, -8, 8);
    on_both([&](auto place, auto at) {
      kernels::softmax_forward(place, at(out), at(in), 1, cols, false);
    });
    if (!agrees(out)) return false;
  }
  return true;
}

bool column_sums_agree() {
  for (const int64_t rows : {40, 400}) {
    Both<float> out(33), in = some_numbers<float>(rows * 33, 1), workspace(rows * 33);
    on_both([&](auto place, auto at) {
      kernels::reduce(place, at(out), at(in), at(workspace), {1, rows, 33},
                      kernels::Reduction::kSum, 1.0, false);
    });
    if (!agrees(out)) return false;
  }
  return true;
}

// Two tiles in time and in channels.
bool attention_agrees() {
  const int64_t time = 70, size = 80;
  const kernels::AttentionShape shape{.batch = 1,
                                      .time = time,
                                      .heads = 1,
                                      .head_size = size,
                                      .qkv_batch_stride = 3 * time * size,
                                      .qkv_time_stride = 3 * size};
  Both<float> qkv = some_numbers<float>(3 * time * size, 1, -0.3, 0.3), out(time * size);
  Both<float> grad_out = some_numbers<float>(time * size, 2), gradient(3 * time * size);
  Both<float> log_sum_exp(2 * time), products(time);
  on_both([&](auto place, auto at) {
    const float* q = at(qkv);
    float* to = at(gradient);
    kernels::attention_forward(place, at(out), at(log_sum_exp), nullptr, q, q + size, q + 2 * size,
                               shape);
    kernels::attention_backward(
        place,
        kernels::AttentionBackwardArguments<float>{.grad_q = to,
                                                   .grad_k = to + size,
                                                   .grad_v = to + 2 * size,
                                                   .workspace = at(products),
                                                   .grad_out = at(grad_out),
                                                   .q = q,
                                                   .k = q + size,
                                                   .v = q + 2 * size,
                                                   .out = at(out),
                                                   .log_sum_exp = at(log_sum_exp)},
        shape);
  });
  return agrees(out) && agrees(gradient);
}

bool cross_entropy_agrees() {
  Both<float> logits = some_numbers<float>(1001, 1, -8, 8), losses(1);
  Both<int32_t> target{700};
  on_both([&](auto place, auto at) {
    kernels::cross_entropy_in_place(place, at(losses), at(logits), at(target), {1, 1001, 1001}, -1,
                                    1.0);
  });
  return agrees(losses) && agrees(logits);
}

bool layer_norm_agrees() {
  const int64_t rows = 35, cols = 520;
  Both<float> out(rows * cols), gradient = some_numbers<float>(rows * cols, 1);
  Both<float> in = some_numbers<float>(rows * cols, 2), weight = some_numbers<float>(cols, 3);
  Both<float> mean(rows), inverse(rows), to_weight(cols), to_bias(cols), workspace(4 * cols);
  on_both([&](auto place, auto at) {
    kernels::layer_norm_forward(
        place, kernels::LayerNormForwardArguments<float>{.out = at(out),
                                                         .mean = at(mean),
                                                         .inverse_deviation = at(inverse),
                                                         .in = at(in),
                                                         .weight = at(weight),
                                                         .bias = at(weight),
                                                         .rows = rows,
                                                         .cols = cols,
                                                         .epsilon = 1e-5});
    kernels::layer_norm_backward(
        place, kernels::LayerNormBackwardArguments<float>{.grad_in = at(gradient),
                                                          .grad_weight = at(to_weight),
                                                          .grad_bias = at(to_bias),
                                                          .workspace = at(workspace),
                                                          .grad_out = at(gradient),
                                                          .in = at(in),
                                                          .weight = at(weight),
                                                          .mean = at(mean),
                                                          .inverse_deviation = at(inverse),
                                                          .rows = rows,
                                                          .cols = cols});
  });
  return agrees(out) && agrees(gradient) && agrees(to_weight) && agrees(to_bias);
}

bool all_agree_in_each_order() {
  for (const auto order : {simt::Order::kForward, simt::Order::kReverse, simt::Order::kRandom}) {
    simt::configuration().schedule = {order, 1};
    if (!softmax_agrees() || !column_sums_agree()) return false;
    if (!attention_agrees() || !cross_entropy_agrees()) return false;
    if (!layer_norm_agrees()) return false;
  }
  return true;
}

// Status of a child process: without its barrier a kernel may write anywhere, so crashes count too.
bool was_noticed(int status) { return !WIFEXITED(status) || WEXITSTATUS(status) != 0; }

[[noreturn]] void run_and_exit() {
  alarm(30);
  std::_Exit(all_agree_in_each_order() ? 0 : 1);
}

TEST(BarriersDeathTest, OfTheKernelsAreAllNecessary) {
  simt::configuration().skipped_barrier.clear();
  ASSERT_TRUE(all_agree_in_each_order());
  int tried = 0;
  for (const std::string& site : simt::barriers_met()) {
    if (site.find("kernels/cuda/") == std::string::npos) continue;
    if (site.find("tests/") != std::string::npos) continue;
    simt::configuration().skipped_barrier = site;
    EXPECT_EXIT(run_and_exit(), was_noticed, "") << "nothing needs the barrier at " << site;
    ++tried;
  }
  simt::configuration().skipped_barrier.clear();
  EXPECT_GE(tried, 5);
}

}  // namespace
}  // namespace ripieno::testing
