#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels {
namespace {

constexpr int kThreads = 512;  // of a block

// Vectors that a thread has asked memory for before it computes.
template <typename T>
constexpr int kUnderWay = sizeof(T) < 8 ? 4 : 1;

template <typename A>
__device__ A exponential(A x) {
  if constexpr (std::is_same_v<A, float>) {
    return cuda::power_of_two(x * 1.4426950408889634f);
  } else {
    return std::exp(x);
  }
}

// What a thread has seen of a row: the largest logit, and sum(exp(logit - largest)).
template <typename A>
struct Seen {
  A largest = std::numeric_limits<A>::lowest(), sum = 0;

  template <typename T, int width>
  __device__ void add(const cuda::Vector<T, width>& logits) {
    A now = largest;
    cuda::unrolled<width>([&](int k) { now = cuda::Max{}(now, cuda::widen(logits[k])); });
    A added = 0;
    cuda::unrolled<width>([&](int k) { added += exponential(cuda::widen(logits[k]) - now); });
    sum = sum * exponential(largest - now) + added;
    largest = now;
  }
};

// log(sum(exp(logits))) = largest + log_sum, kept apart: see cross_entropy.h.
template <typename A>
struct LogSumExp {
  A largest, log_sum;

  __device__ static LogSumExp kept(const A* from) { return {from[0], from[1]}; }
  __device__ void keep(A* to) const {
    to[0] = largest;
    to[1] = log_sum;
  }
};

// One row of logits, which a block goes over twice. What a thread reads of it the second time it
// read itself the first time.   width: the elements of a vector; a multiple of it is followed by a
// tail.   held: whether the block keeps the vectors in shared memory, so that the second time
// needs no other.
template <typename T, int width, bool held>
struct Row {
  using A = accumulator_t<T>;
  using Vector = cuda::Vector<T, width>;

  const T* logits;
  int64_t classes;

  __device__ int64_t vectors() const { return classes / width; }
  __device__ int64_t tail() const { return vectors() * width + threadIdx.x; }

  // Every thread of the block gets log(sum(exp(logits))).
  __device__ LogSumExp<A> log_sum_of_exp() const {
    Seen<A> seen;
    for (int64_t first = threadIdx.x; first < vectors(); first += kUnderWay<T> * blockDim.x) {
      Vector loaded[kUnderWay<T>];
      cuda::unrolled<kUnderWay<T>>([&](int i) {
        const int64_t v = first + i * blockDim.x;
        if (v < vectors()) loaded[i] = cuda::load<width>(logits + v * width);
      });
      cuda::unrolled<kUnderWay<T>>([&](int i) {
        const int64_t v = first + i * blockDim.x;
        if (v >= vectors()) return;
        if constexpr (held) cuda::store(cuda::dynamic_shared<T>() + v * width, loaded[i]);
        seen.add(loaded[i]);
      });
    }
    if (tail() < classes) seen.add(cuda::load<1>(logits + tail()));
    const A largest = cuda::block_reduce(seen.largest, cuda::Max{});
    const A sum = seen.sum * exponential(seen.largest - largest);
    return {largest, std::log(cuda::block_reduce(sum, cuda::Sum{}))};
  }

  // Writes function(logit) to `to`, which may be logits.
  template <typename Function>
  __device__ void map(T* to, Function function) const {
    for (int64_t v = threadIdx.x; v < vectors(); v += blockDim.x) {
      const Vector from = read_again(v);
      Vector result;
      cuda::unrolled<width>([&](int k) { result[k] = function(from[k]); });
      cuda::store(to + v * width, result);
    }
    if (tail() < classes) to[tail()] = function(logits[tail()]);
  }

  // Whether map() writes element c by this thread.
  __device__ bool is_mine(int64_t c) const {
    const bool in_vector = c < vectors() * width;
    return in_vector ? c / width % blockDim.x == threadIdx.x : c == tail();
  }

 private:
  __device__ Vector read_again(int64_t v) const {
    return cuda::load<width>((held ? cuda::dynamic_shared<T>() : logits) + v * width);
  }
};

// The target of a row.
struct Target {
  int32_t target;
  bool known, ignored;

  __device__ Target(int32_t target_, int64_t classes, int32_t ignored_)
      : target(target_), known(target_ >= 0 && target_ < classes), ignored(target_ == ignored_) {}
  __device__ bool counts() const { return known && !ignored; }

  // What the row adds to the loss, `logit` being the target's where it counts.
  template <typename A>
  __device__ A loss(const LogSumExp<A>& total, A logit) const {
    if (counts()) return (total.largest - logit) + total.log_sum;
    return ignored ? A(0) : std::numeric_limits<A>::quiet_NaN();
  }
};

// By a block. The row's grad = scale (exp(logits) / total - [the target]); at_target: the
// target's logit, which the thread that writes there has read before.
template <typename T, int width, bool held>
__device__ void write_gradient(T* grad, const Row<T, width, held>& row, const Target& target,
                               accumulator_t<T> at_target, const LogSumExp<accumulator_t<T>>& total,
                               accumulator_t<T> scale) {
  using A = accumulator_t<T>;
  if (!target.counts()) {
    row.map(grad, [](T) { return cuda::narrow<T>(A(0)); });
    return;
  }
  row.map(grad, [=](T logit) {
    return cuda::narrow<T>(scale *
                           exponential((cuda::widen(logit) - total.largest) - total.log_sum));
  });
  if (!row.is_mine(target.target)) return;
  const A share = exponential((at_target - total.largest) - total.log_sum);
  grad[target.target] = cuda::narrow<T>(scale * (share - A(1)));
}

template <typename T>
__device__ accumulator_t<T> logit_of(const T* logits, const Target& target) {
  return target.counts() ? cuda::widen(logits[target.target]) : accumulator_t<T>(0);
}

// One block a row.
template <typename T, int width>
__global__ void __launch_bounds__(kThreads, 1)
    forward_kernel(accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp, const T* logits,
                   const int32_t* targets, LogitsShape shape, int32_t ignored) {
  const Row<T, width, false> row{logits + blockIdx.x * shape.stride, shape.classes};
  const Target target(targets[blockIdx.x], shape.classes, ignored);
  const LogSumExp<accumulator_t<T>> total = row.log_sum_of_exp();
  if (threadIdx.x != 0) return;
  if (log_sum_exp) total.keep(log_sum_exp + 2 * blockIdx.x);
  row_losses[blockIdx.x] = target.loss(total, logit_of(row.logits, target));
}

// One block a row.
template <typename T, int width, bool held>
__global__ void __launch_bounds__(kThreads, 1)
    in_place_kernel(accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                    LogitsShape shape, int32_t ignored, accumulator_t<T> scale) {
  T* const grad = logits + blockIdx.x * shape.stride;
  const Row<T, width, held> row{grad, shape.classes};
  const Target target(targets[blockIdx.x], shape.classes, ignored);
  const accumulator_t<T> at_target = logit_of(row.logits, target);
  const auto total = row.log_sum_of_exp();  // no thread writes before all have read
  if (threadIdx.x == 0) row_losses[blockIdx.x] = target.loss(total, at_target);
  write_gradient(grad, row, target, at_target, total, scale);
}

// One block a row.
template <typename T, int width>
__global__ void __launch_bounds__(kThreads, 1)
    backward_kernel(T* grad_logits, const accumulator_t<T>* grad_loss, const T* logits,
                    const int32_t* targets, const accumulator_t<T>* log_sum_exp, LogitsShape shape,
                    int32_t ignored) {
  const int64_t begin = blockIdx.x * shape.stride;
  const Row<T, width, false> row{logits + begin, shape.classes};
  const Target target(targets[blockIdx.x], shape.classes, ignored);
  // Another thread may be about to write there.
  const bool writes_target = target.counts() && row.is_mine(target.target);
  const auto at_target = writes_target ? logit_of(row.logits, target) : accumulator_t<T>(0);
  const auto total = LogSumExp<accumulator_t<T>>::kept(log_sum_exp + 2 * blockIdx.x);
  write_gradient(grad_logits + begin, row, target, at_target, total, *grad_loss);
}

// One block for all.
template <typename A>
__global__ void add_rows_kernel(A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                                int64_t rows, int32_t ignored) {
  double sum = 0, counted = 0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x) {
    sum += static_cast<double>(row_losses[r]);
    counted += targets[r] == ignored ? 0 : 1;
  }
  sum = cuda::block_reduce(sum, cuda::Sum{});
  counted = cuda::block_reduce(counted, cuda::Sum{});
  if (threadIdx.x == 0) {
    *loss_sum = static_cast<A>(sum);
    *count = static_cast<A>(counted);
  }
}

// Two blocks of a multiprocessor share its memory: one computes while the other waits for its row.
template <typename T>
bool can_hold_row(const LogitsShape& shape) {
  constexpr std::size_t kOther = 2048;  // of a block: its reductions', and what CUDA keeps
  const auto row = static_cast<std::size_t>(shape.classes) * sizeof(T);
  return 2 * (row + kOther) <= cuda::shared_bytes_of_multiprocessor();
}

template <typename T>
bool rows_are_aligned(const T* logits, const T* grad_logits, const LogitsShape& shape) {
  const bool each_is = shape.stride * static_cast<int64_t>(sizeof(T)) % 16 == 0;
  return each_is && cuda::is_aligned(logits, grad_logits);
}

cuda::LaunchShape row_each(OnCuda on, const LogitsShape& shape, std::size_t shared_bytes = 0) {
  return {dim3(static_cast<unsigned>(shape.rows)), dim3(kThreads), shared_bytes, on.stream};
}

}  // namespace

template <typename T>
void cross_entropy_forward(OnCuda on, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored) {
  const auto kernel = rows_are_aligned(logits, logits, shape)
                          ? forward_kernel<T, cuda::kVectorSize<T>>
                          : forward_kernel<T, 1>;
  cuda::launch(kernel, row_each(on, shape), row_losses, log_sum_exp, logits, targets, shape,
               ignored);
}

template <typename T>
void cross_entropy_in_place(OnCuda on, accumulator_t<T>* row_losses, T* logits,
                            const int32_t* targets, const LogitsShape& shape, int32_t ignored,
                            double scale) {
  constexpr int kWidth = cuda::kVectorSize<T>;
  const bool aligned = rows_are_aligned<T>(logits, logits, shape);
  const bool held = aligned && can_hold_row<T>(shape);
  const auto kernel = held      ? in_place_kernel<T, kWidth, true>
                      : aligned ? in_place_kernel<T, kWidth, false>
                                : in_place_kernel<T, 1, false>;
  const auto row_bytes = static_cast<std::size_t>(shape.classes) * sizeof(T);
  cuda::launch(kernel, row_each(on, shape, held ? row_bytes : 0), row_losses, logits, targets,
               shape, ignored, scale);
}

template <typename A>
void cross_entropy_sum(OnCuda on, A* loss_sum, A* count, const A* row_losses,
                       const int32_t* targets, int64_t rows, int32_t ignored) {
  const cuda::LaunchShape one_large_block{dim3(1), dim3(1024), 0, on.stream};
  cuda::launch(add_rows_kernel<A>, one_large_block, loss_sum, count, row_losses, targets, rows,
               ignored);
}

template <typename T>
void cross_entropy_backward(OnCuda on, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, const LogitsShape& shape,
                            int32_t ignored) {
  const auto kernel = rows_are_aligned<T>(logits, grad_logits, shape)
                          ? backward_kernel<T, cuda::kVectorSize<T>>
                          : backward_kernel<T, 1>;
  cuda::launch(kernel, row_each(on, shape), grad_logits, grad_loss, logits, targets, log_sum_exp,
               shape, ignored);
}

template void cross_entropy_forward(OnCuda, float*, float*, const float*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCuda, double*, double*, const double*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCuda, float*, float*, const bfloat16*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCuda, float*, float*, const float16*, const int32_t*,
                                    const LogitsShape&, int32_t);

template void cross_entropy_in_place(OnCuda, float*, float*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCuda, double*, double*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCuda, float*, bfloat16*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCuda, float*, float16*, const int32_t*, const LogitsShape&,
                                     int32_t, double);

template void cross_entropy_sum(OnCuda, float*, float*, const float*, const int32_t*, int64_t,
                                int32_t);
template void cross_entropy_sum(OnCuda, double*, double*, const double*, const int32_t*, int64_t,
                                int32_t);

template void cross_entropy_backward(OnCuda, float*, const float*, const float*, const int32_t*,
                                     const float*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCuda, double*, const double*, const double*, const int32_t*,
                                     const double*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCuda, bfloat16*, const float*, const bfloat16*,
                                     const int32_t*, const float*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCuda, float16*, const float*, const float16*, const int32_t*,
                                     const float*, const LogitsShape&, int32_t);

}  // namespace ripieno::kernels
