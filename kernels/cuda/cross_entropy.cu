#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels {
namespace {

constexpr int kThreads = 512;  // per block

// Number of vectors that a thread loads before it computes.
template <typename T>
constexpr int kInFlight = sizeof(T) < 8 ? 4 : 1;

template <typename A>
__device__ A exponential(A x) {
  if constexpr (std::is_same_v<A, float>) {
    return cuda::power_of_two(x * 1.4426950408889634f);
  } else {
    return std::exp(x);
  }
}

// Online softmax statistics of one thread: the largest logit so far, and sum(exp(logit - largest)).
template <typename A>
struct RunningSum {
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

// log(sum(exp(logits))) = largest + log_sum, as two numbers: see cross_entropy.h.
template <typename A>
struct LogSumExp {
  A largest, log_sum;

  __device__ static LogSumExp load(const A* from) { return {from[0], from[1]}; }
  __device__ void store(A* to) const {
    to[0] = largest;
    to[1] = log_sum;
  }
};

// One row of logits, which a block reads in two passes. In the second pass each thread reads the
// elements that it read in the first.   width: elements per vector; elements after the last whole
// vector are the tail.   held: whether the vectors are kept in shared memory, so that the second
// pass does not read global memory.
template <typename T, int width, bool held>
struct Row {
  using A = accumulator_t<T>;
  using Vector = cuda::Vector<T, width>;

  const T* logits;
  int64_t classes;

  __device__ int64_t vectors() const { return classes / width; }
  __device__ int64_t tail() const { return vectors() * width + threadIdx.x; }

  // Returns log(sum(exp(logits))) to every thread of the block.
  __device__ LogSumExp<A> log_sum_of_exp() const {
    RunningSum<A> running;
    for (int64_t first = threadIdx.x; first < vectors(); first += kInFlight<T> * blockDim.x) {
      Vector loaded[kInFlight<T>];
      cuda::unrolled<kInFlight<T>>([&](int i) {
        const int64_t v = first + i * blockDim.x;
        if (v < vectors()) loaded[i] = cuda::load<width>(logits + v * width);
      });
      cuda::unrolled<kInFlight<T>>([&](int i) {
        const int64_t v = first + i * blockDim.x;
        if (v >= vectors()) return;
        if constexpr (held) cuda::store(cuda::dynamic_shared<T>() + v * width, loaded[i]);
        running.add(loaded[i]);
      });
    }
    if (tail() < classes) running.add(cuda::load<1>(logits + tail()));
    const A largest = cuda::block_reduce(running.largest, cuda::Max{});
    const A sum = running.sum * exponential(running.largest - largest);
    return {largest, std::log(cuda::block_reduce(sum, cuda::Sum{}))};
  }

  // Writes function(logit) of each logit to `to`, which may alias logits.
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

  // Whether it is this thread that writes element c in map().
  __device__ bool is_written_here(int64_t c) const {
    const bool in_vector = c < vectors() * width;
    return in_vector ? c / width % blockDim.x == threadIdx.x : c == tail();
  }

 private:
  __device__ Vector read_again(int64_t v) const {
    return cuda::load<width>((held ? cuda::dynamic_shared<T>() : logits) + v * width);
  }
};

// The target of a row, and whether the row counts.
struct Target {
  int32_t target;
  bool known, ignored;

  __device__ Target(int32_t target_, int64_t classes, int32_t ignored_)
      : target(target_), known(target_ >= 0 && target_ < classes), ignored(target_ == ignored_) {}
  __device__ bool counts() const { return known && !ignored; }

  // The row's loss. `logit` is the target's logit, and is used only if counts().
  template <typename A>
  __device__ A loss(const LogSumExp<A>& total, A logit) const {
    if (counts()) return (total.largest - logit) + total.log_sum;
    return ignored ? A(0) : std::numeric_limits<A>::quiet_NaN();
  }
};

// The whole block calls it. grad = scale (softmax(logits) - [c == target]). at_target is the
// target's logit, which the thread that overwrites it must have read before.
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
  if (!row.is_written_here(target.target)) return;
  const A share = exponential((at_target - total.largest) - total.log_sum);
  grad[target.target] = cuda::narrow<T>(scale * (share - A(1)));
}

template <typename T>
__device__ accumulator_t<T> logit_of(const T* logits, const Target& target) {
  return target.counts() ? cuda::widen(logits[target.target]) : accumulator_t<T>(0);
}

// One block per row.
template <typename T, int width>
__global__ void __launch_bounds__(kThreads, 1)
    forward_kernel(accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp, const T* logits,
                   const int32_t* targets, LogitsShape shape, int32_t ignored) {
  const Row<T, width, false> row{logits + blockIdx.x * shape.stride, shape.classes};
  const Target target(targets[blockIdx.x], shape.classes, ignored);
  const LogSumExp<accumulator_t<T>> total = row.log_sum_of_exp();
  if (threadIdx.x != 0) return;
  if (log_sum_exp) total.store(log_sum_exp + 2 * blockIdx.x);
  row_losses[blockIdx.x] = target.loss(total, logit_of(row.logits, target));
}

// One block per row.
template <typename T, int width, bool held>
__global__ void __launch_bounds__(kThreads, 1)
    in_place_kernel(accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                    LogitsShape shape, int32_t ignored, accumulator_t<T> scale) {
  T* const grad = logits + blockIdx.x * shape.stride;
  const Row<T, width, held> row{grad, shape.classes};
  const Target target(targets[blockIdx.x], shape.classes, ignored);
  const accumulator_t<T> at_target = logit_of(row.logits, target);
  const auto total = row.log_sum_of_exp();  // its barriers: all threads read before any writes
  if (threadIdx.x == 0) row_losses[blockIdx.x] = target.loss(total, at_target);
  write_gradient(grad, row, target, at_target, total, scale);
}

// One block per row.
template <typename T, int width>
__global__ void __launch_bounds__(kThreads, 1)
    backward_kernel(T* grad_logits, const accumulator_t<T>* grad_loss, const T* logits,
                    const int32_t* targets, const accumulator_t<T>* log_sum_exp, LogitsShape shape,
                    int32_t ignored) {
  const int64_t begin = blockIdx.x * shape.stride;
  const Row<T, width, false> row{logits + begin, shape.classes};
  const Target target(targets[blockIdx.x], shape.classes, ignored);
  // Only the thread that writes this element may read it: grad_logits may alias logits.
  const bool writes_target = target.counts() && row.is_written_here(target.target);
  const auto at_target = writes_target ? logit_of(row.logits, target) : accumulator_t<T>(0);
  const auto total = LogSumExp<accumulator_t<T>>::load(log_sum_exp + 2 * blockIdx.x);
  write_gradient(grad_logits + begin, row, target, at_target, total, *grad_loss);
}

// A single block.
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

// Whether two blocks fit on a multiprocessor, so that one can compute while the other loads its
// row.
template <typename T>
bool can_hold_row(const LogitsShape& shape) {
  constexpr std::size_t kOther = 2048;  // per block: for its reductions, and reserved by CUDA
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
