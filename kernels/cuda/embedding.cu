#include <algorithm>
#include <bit>

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/cuda/runtime/sort.h"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/embedding.h"

namespace ripieno::kernels {
namespace {

constexpr int kInFlight = 4;  // number of rows or vectors that a lane loads before it adds them

template <typename T, int width>
__device__ cuda::Vector<T, width> zeros() {
  cuda::Vector<T, width> vector;
  cuda::unrolled<width>([&](int k) { vector[k] = cuda::narrow<T>(accumulator_t<T>(0)); });
  return vector;
}

// One warp per row of out; a lane processes every 32nd vector.   out: (count, channels).
template <typename T, int width>
__global__ void forward_kernel(T* out, const T* table, const int32_t* ids, const T* positions,
                               int64_t time, EmbeddingShape shape) {
  using Vector = cuda::Vector<T, width>;
  const int64_t i = cuda::global_warp(), channels = shape.channels;
  if (i >= shape.count) return;
  const int32_t id = ids[i];
  const T* const row = id >= 0 && id < shape.vocab ? table + id * channels : nullptr;
  const T* const position = positions ? positions + i % time * channels : nullptr;
  constexpr int64_t kStep = cuda::kWarpSize * width;
  for (int64_t first = cuda::lane() * width; first < channels; first += kInFlight * kStep) {
    Vector rows[kInFlight], added[kInFlight];
    cuda::unrolled<kInFlight>([&](int u) {
      const int64_t c = first + u * kStep;
      rows[u] = row && c < channels ? cuda::load<width>(row + c) : zeros<T, width>();
      if (position && c < channels) added[u] = cuda::load<width>(position + c);
    });
    cuda::unrolled<kInFlight>([&](int u) {
      const int64_t c = first + u * kStep;
      if (c >= channels) return;
      if (position) {
        cuda::unrolled<width>([&](int k) {
          rows[u][k] = cuda::narrow<T>(cuda::widen(rows[u][k]) + cuda::widen(added[u][k]));
        });
      }
      cuda::store(out + i * channels + c, rows[u]);
    });
  }
}

// The backward sorts positions by id, and splits the sorted positions into tiles of 32. A warp adds
// up the rows of a tile, id by id. The sum of an id whose positions are all in one tile is
// complete. For an id that extends over several tiles, each tile stores a partial sum, and a second
// kernel adds these up.

// Partial sums of a tile: of the id continued from the previous tile, and of the id that begins
// here and is continued in the next one.
enum Partial { kContinued, kBegun, kPartials };

struct Sorted {
  const int32_t* ids;        // (count), ascending; invalid ids are replaced by `vocab`
  const int32_t* positions;  // (count)
  int64_t count;

  __device__ bool continues_after(int64_t last) const {
    return last + 1 < count && ids[last + 1] == ids[last];
  }
};

// One thread per position.
__global__ void number_positions_kernel(int32_t* keys, int32_t* positions, const int32_t* ids,
                                        int64_t count, int32_t vocab) {
  const int64_t i = cuda::global_thread();
  if (i >= count) return;
  keys[i] = ids[i] >= 0 && ids[i] < vocab ? ids[i] : vocab;
  positions[i] = static_cast<int32_t>(i);
}

// The sum of one lane: a vector of channels.
template <typename T, int width>
struct Sum {
  using A = accumulator_t<T>;
  cuda::Vector<A, width> value;

  template <typename From>
  __device__ void add(const cuda::Vector<From, width>& vector) {
    cuda::unrolled<width>([&](int k) { value[k] += cuda::widen(vector[k]); });
  }
  __device__ void add_to(T* grad) const {
    auto result = cuda::load<width>(grad);
    cuda::unrolled<width>(
        [&](int k) { result[k] = cuda::narrow<T>(cuda::widen(result[k]) + value[k]); });
    cuda::store_global_word(grad, result);
  }
  __device__ void store_to(A* partial) const {
    constexpr int kPart = std::min(width, cuda::kVectorSize<A>);
    cuda::unrolled<width / kPart>([&](int p) {
      cuda::Vector<A, kPart> part;
      cuda::unrolled<kPart>([&](int k) { part[k] = value[p * kPart + k]; });
      cuda::store_global_word(partial + p * kPart, part);
    });
  }
};

// The tile of a warp and its strip of channels, which is 32 vectors wide.
template <int width>
struct Strip {
  int64_t tile, channel;

  __device__ explicit Strip(int64_t channels) {
    const int64_t strips = cuda::ceil_divide(channels, cuda::kWarpSize * width);
    tile = cuda::global_warp() / strips;
    channel = (cuda::global_warp() % strips * cuda::kWarpSize + cuda::lane()) * width;
  }
};

// One warp per tile and strip of channels.   partials: (tiles, kPartials, channels).
template <typename T, int width>
__global__ void add_tiles_kernel(T* grad_table, accumulator_t<T>* partials, const T* grad_out,
                                 Sorted sorted, EmbeddingShape shape) {
  using A = accumulator_t<T>;
  const Strip<width> strip(shape.channels);
  const int64_t begin = strip.tile * cuda::kWarpSize;
  if (begin >= sorted.count) return;
  const int64_t index = begin + cuda::lane();
  const auto invalid = static_cast<int32_t>(shape.vocab);
  const int32_t id_of_lane = index < sorted.count ? sorted.ids[index] : invalid;
  const int32_t position_of_lane = index < sorted.count ? sorted.positions[index] : 0;
  const int is_last_of_lane = sorted.continues_after(index) ? 0 : 1;
  bool continued = begin > 0 && sorted.continues_after(begin - 1);

  Sum<T, width> sum{zeros<A, width>()};
  for (int first = 0; first < cuda::kWarpSize; first += kInFlight) {
    cuda::Vector<T, width> rows[kInFlight];
    int32_t ids[kInFlight];
    bool is_last[kInFlight];
    cuda::unrolled<kInFlight>([&](int u) {
      ids[u] = __shfl_sync(cuda::kWholeWarp, id_of_lane, first + u);
      is_last[u] = __shfl_sync(cuda::kWholeWarp, is_last_of_lane, first + u) != 0;
      const int32_t row = __shfl_sync(cuda::kWholeWarp, position_of_lane, first + u);
      if (ids[u] == invalid || strip.channel >= shape.channels) return;
      rows[u] = cuda::load<width>(grad_out + row * shape.channels + strip.channel);
    });
    cuda::unrolled<kInFlight>([&](int u) {
      if (ids[u] == invalid || strip.channel >= shape.channels) return;
      sum.add(rows[u]);
      const bool continues = !is_last[u];
      if (continues && first + u < cuda::kWarpSize - 1) return;
      if (continued || continues) {
        const Partial partial = continued ? kContinued : kBegun;
        const int64_t row = strip.tile * kPartials + partial;
        sum.store_to(partials + row * shape.channels + strip.channel);
      } else {
        sum.add_to(grad_table + ids[u] * shape.channels + strip.channel);
      }
      continued = false;
      sum.value = zeros<A, width>();
    });
  }
}

// The first index after `from` whose id differs from the one at `from`.
__device__ int64_t end_of_id(const Sorted& sorted, int64_t from) {
  int64_t same = from, other = sorted.count;
  while (other - same > 1) {
    const int64_t middle = (same + other) / 2;
    (sorted.ids[middle] == sorted.ids[from] ? same : other) = middle;
  }
  return other;
}

// One warp per tile and strip of channels. Adds the partial sums of the id that begins in this tile
// and is continued in the next.
template <typename T, int width>
__global__ void add_partials_kernel(T* grad_table, const accumulator_t<T>* partials, Sorted sorted,
                                    EmbeddingShape shape) {
  using A = accumulator_t<T>;
  const Strip<width> strip(shape.channels);
  const int64_t begin = strip.tile * cuda::kWarpSize, last = begin + cuda::kWarpSize - 1;
  if (strip.channel >= shape.channels || last >= sorted.count) return;
  const int32_t id = sorted.ids[last];
  if (id == shape.vocab || !sorted.continues_after(last)) return;
  if (begin > 0 && sorted.ids[begin - 1] == id) return;  // it began in an earlier tile

  const auto partial = [&](int64_t tile, Partial which) {
    const int64_t row = tile * kPartials + which;
    return cuda::load<width>(partials + row * shape.channels + strip.channel);
  };
  Sum<T, width> sum{partial(strip.tile, kBegun)};
  const int64_t tiles = cuda::ceil_divide(end_of_id(sorted, last), cuda::kWarpSize);
  for (int64_t first = strip.tile + 1; first < tiles; first += kInFlight) {
    cuda::Vector<A, width> loaded[kInFlight];
    cuda::unrolled<kInFlight>([&](int u) {
      if (first + u < tiles) loaded[u] = partial(first + u, kContinued);
    });
    cuda::unrolled<kInFlight>([&](int u) {
      if (first + u < tiles) sum.add(loaded[u]);
    });
  }
  sum.add_to(grad_table + id * shape.channels + strip.channel);
}

// The buffers in the workspace of embedding_backward(), consecutive from `memory`.
template <typename T>
struct Workspace {
  int32_t *keys, *positions, *sorted_keys, *sorted_positions;  // (count)
  accumulator_t<T>* partials;                                  // (tiles, kPartials, channels)
  void* sort;
  std::size_t sort_bytes, bytes;
  int key_bits;

  Workspace(void* memory, const EmbeddingShape& shape)
      : key_bits(std::bit_width(static_cast<uint64_t>(shape.vocab))) {
    std::size_t end = 0;
    const auto take = [&](std::size_t size) {
      void* const part = memory ? static_cast<unsigned char*>(memory) + end : nullptr;
      end += (size + 255) / 256 * 256;
      return part;
    };
    const auto count = static_cast<std::size_t>(shape.count);
    for (int32_t** numbers : {&keys, &positions, &sorted_keys, &sorted_positions}) {
      *numbers = static_cast<int32_t*>(take(count * sizeof(int32_t)));
    }
    const int64_t rows = kPartials * cuda::ceil_divide(shape.count, cuda::kWarpSize);
    partials = static_cast<accumulator_t<T>*>(
        take(static_cast<std::size_t>(rows * shape.channels) * sizeof(accumulator_t<T>)));
    sort_bytes = cuda::sort_workspace_bytes(shape.count, key_bits);
    sort = take(sort_bytes);
    bytes = end;
  }
};

template <typename T, int width>
void add_sorted(OnCuda on, T* grad_table, const Workspace<T>& workspace, const T* grad_out,
                const EmbeddingShape& shape) {
  const Sorted sorted{workspace.sorted_keys, workspace.sorted_positions, shape.count};
  const int64_t tiles = cuda::ceil_divide(shape.count, cuda::kWarpSize);
  const int64_t strips = cuda::ceil_divide(shape.channels, cuda::kWarpSize * width);
  const cuda::LaunchShape warps = cuda::warp_each(on, tiles * strips);
  cuda::launch(add_tiles_kernel<T, width>, warps, grad_table, workspace.partials, grad_out, sorted,
               shape);
  cuda::launch(add_partials_kernel<T, width>, warps, grad_table, workspace.partials, sorted, shape);
}

template <typename T>
bool rows_are_aligned(const T* a, const T* b, const T* c, const EmbeddingShape& shape) {
  return shape.channels % cuda::kVectorSize<T> == 0 && cuda::is_aligned(a, b, c);
}

}  // namespace

template <typename T>
void embedding_forward(OnCuda on, T* out, const T* table, const int32_t* ids, const T* positions,
                       int64_t time, const EmbeddingShape& shape) {
  const auto kernel = rows_are_aligned<T>(out, table, positions, shape)
                          ? forward_kernel<T, cuda::kVectorSize<T>>
                          : forward_kernel<T, 1>;
  cuda::launch(kernel, cuda::warp_each(on, shape.count), out, table, ids, positions, time, shape);
}

template <typename T>
std::size_t embedding_workspace_bytes(OnCuda, const EmbeddingShape& shape) {
  return Workspace<T>(nullptr, shape).bytes;
}

template <typename T>
void embedding_backward(OnCuda on, T* grad_table, void* memory, const T* grad_out,
                        const int32_t* ids, const EmbeddingShape& shape, bool accumulate) {
  if (!accumulate) {
    fill(on, grad_table, shape.vocab * shape.channels, static_cast<T>(accumulator_t<T>(0)));
  }
  const Workspace<T> workspace(memory, shape);
  cuda::launch(number_positions_kernel, cuda::thread_each(on, shape.count), workspace.keys,
               workspace.positions, ids, shape.count, shape.vocab);
  cuda::sort_by_key(on, workspace.sorted_keys, workspace.sorted_positions, workspace.keys,
                    workspace.positions, shape.count, workspace.key_bits, workspace.sort,
                    workspace.sort_bytes);
  if (rows_are_aligned<T>(grad_table, grad_out, nullptr, shape)) {
    add_sorted<T, cuda::kVectorSize<T>>(on, grad_table, workspace, grad_out, shape);
  } else {
    add_sorted<T, 1>(on, grad_table, workspace, grad_out, shape);
  }
}

template void embedding_forward(OnCuda, float*, const float*, const int32_t*, const float*, int64_t,
                                const EmbeddingShape&);
template void embedding_forward(OnCuda, double*, const double*, const int32_t*, const double*,
                                int64_t, const EmbeddingShape&);
template void embedding_forward(OnCuda, bfloat16*, const bfloat16*, const int32_t*, const bfloat16*,
                                int64_t, const EmbeddingShape&);
template void embedding_forward(OnCuda, float16*, const float16*, const int32_t*, const float16*,
                                int64_t, const EmbeddingShape&);

template std::size_t embedding_workspace_bytes<float>(OnCuda, const EmbeddingShape&);
template std::size_t embedding_workspace_bytes<double>(OnCuda, const EmbeddingShape&);
template std::size_t embedding_workspace_bytes<bfloat16>(OnCuda, const EmbeddingShape&);
template std::size_t embedding_workspace_bytes<float16>(OnCuda, const EmbeddingShape&);

template void embedding_backward(OnCuda, float*, void*, const float*, const int32_t*,
                                 const EmbeddingShape&, bool);
template void embedding_backward(OnCuda, double*, void*, const double*, const int32_t*,
                                 const EmbeddingShape&, bool);
template void embedding_backward(OnCuda, bfloat16*, void*, const bfloat16*, const int32_t*,
                                 const EmbeddingShape&, bool);
template void embedding_backward(OnCuda, float16*, void*, const float16*, const int32_t*,
                                 const EmbeddingShape&, bool);

}  // namespace ripieno::kernels
