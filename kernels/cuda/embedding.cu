#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/embedding.h"

namespace ripieno::kernels {
namespace {

// One block a row of out.   out: (count, channels)
template <typename T>
__global__ void forward_kernel(T* out, const T* table, const int32_t* ids, int64_t vocab,
                               int64_t channels) {
  const int32_t id = ids[blockIdx.x];
  const bool known = id >= 0 && id < vocab;
  const T nan = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
  T* const y = out + blockIdx.x * channels;
  for (int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
    y[c] = known ? table[id * channels + c] : nan;
  }
}

// The backward is a counting sort of the positions by their ids, then a sum over each id's
// positions.

// One thread a position.   ends: (vocab + 1), zero before, then how often each id occurs
__global__ void count_ids_kernel(int32_t* ends, const int32_t* ids, int64_t count, int64_t vocab) {
  const int64_t i = cuda::global_thread();
  if (i >= count || ids[i] < 0 || ids[i] >= vocab) return;
  atomicAdd(&ends[ids[i]], 1);
}

// One block for all, each thread a stretch of ids.   Counts become their running sums.
__global__ void add_up_counts_kernel(int32_t* ends, int64_t vocab) {
  auto& totals = cuda::block_shared<int32_t[cuda::kBlockSize]>();
  const int64_t stretch = cuda::ceil_divide(vocab + 1, blockDim.x);
  const int64_t begin = threadIdx.x * stretch;
  const int64_t end = begin + stretch < vocab + 1 ? begin + stretch : vocab + 1;

  int32_t total = 0;
  for (int64_t id = begin; id < end; ++id) total += ends[id];
  totals[threadIdx.x] = total;
  __syncthreads();

  int32_t running = 0;
  for (unsigned before = 0; before < threadIdx.x; ++before) running += totals[before];
  for (int64_t id = begin; id < end; ++id) {
    running += ends[id];
    ends[id] = running;
  }
}

// One thread a position.   Turns each end into a begin, and leaves an id's positions in any order
__global__ void place_positions_kernel(int32_t* positions, int32_t* ends, const int32_t* ids,
                                       int64_t count, int64_t vocab) {
  const int64_t i = cuda::global_thread();
  if (i >= count || ids[i] < 0 || ids[i] >= vocab) return;
  positions[atomicSub(&ends[ids[i]], 1) - 1] = static_cast<int32_t>(i);
}

// Sorts `size` numbers by the threads of a block: bitonic, each merge beginning with a mirrored
// comparison, so that what lies past the end counts as larger and is never touched.
__device__ void sort_by_block(int32_t* numbers, int64_t size) {
  for (int64_t width = 2; width / 2 < size; width *= 2) {
    for (int64_t distance = width / 2; distance > 0; distance /= 2) {
      const int64_t flip = distance == width / 2 ? width - 1 : distance;
      for (int64_t i = threadIdx.x; i < size; i += blockDim.x) {
        const int64_t partner = i ^ flip;
        if (partner <= i || partner >= size || numbers[i] <= numbers[partner]) continue;
        const int32_t larger = numbers[i];
        numbers[i] = numbers[partner];
        numbers[partner] = larger;
      }
      __syncthreads();
    }
  }
}

// One block a row of the table.   begins: (vocab + 1)
template <typename T>
__global__ void add_positions_kernel(T* grad_table, int32_t* positions, const int32_t* begins,
                                     const T* grad_out, int64_t channels, bool accumulate) {
  const int64_t begin = begins[blockIdx.x], end = begins[blockIdx.x + 1];
  sort_by_block(positions + begin, end - begin);
  T* const row = grad_table + blockIdx.x * channels;
  for (int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
    accumulator_t<T> sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += cuda::widen(grad_out[positions[i] * channels + c]);
    row[c] = static_cast<T>(accumulate ? cuda::widen(row[c]) + sum : sum);
  }
}

}  // namespace

template <typename T>
void embedding_forward(OnCuda on, T* out, const T* table, const int32_t* ids, int64_t count,
                       int64_t vocab, int64_t channels) {
  cuda::launch(forward_kernel<T>, cuda::block_each(on, count), out, table, ids, vocab, channels);
}

template <typename T>
void embedding_backward(OnCuda on, T* grad_table, int32_t* workspace, const T* grad_out,
                        const int32_t* ids, int64_t count, int64_t vocab, int64_t channels,
                        bool accumulate) {
  int32_t* const positions = workspace;     // (count)
  int32_t* const ends = workspace + count;  // (vocab + 1)
  fill(on, ends, vocab + 1, int32_t{0});
  cuda::launch(count_ids_kernel, cuda::thread_each(on, count), ends, ids, count, vocab);
  cuda::launch(add_up_counts_kernel, cuda::block_each(on, 1), ends, vocab);
  cuda::launch(place_positions_kernel, cuda::thread_each(on, count), positions, ends, ids, count,
               vocab);
  cuda::launch(add_positions_kernel<T>, cuda::block_each(on, vocab), grad_table, positions, ends,
               grad_out, channels, accumulate);
}

template void embedding_forward(OnCuda, float*, const float*, const int32_t*, int64_t, int64_t,
                                int64_t);
template void embedding_forward(OnCuda, double*, const double*, const int32_t*, int64_t, int64_t,
                                int64_t);
template void embedding_forward(OnCuda, bfloat16*, const bfloat16*, const int32_t*, int64_t,
                                int64_t, int64_t);
template void embedding_forward(OnCuda, float16*, const float16*, const int32_t*, int64_t, int64_t,
                                int64_t);

template void embedding_backward(OnCuda, float*, int32_t*, const float*, const int32_t*, int64_t,
                                 int64_t, int64_t, bool);
template void embedding_backward(OnCuda, double*, int32_t*, const double*, const int32_t*, int64_t,
                                 int64_t, int64_t, bool);
template void embedding_backward(OnCuda, bfloat16*, int32_t*, const bfloat16*, const int32_t*,
                                 int64_t, int64_t, int64_t, bool);
template void embedding_backward(OnCuda, float16*, int32_t*, const float16*, const int32_t*,
                                 int64_t, int64_t, int64_t, bool);

}  // namespace ripieno::kernels
