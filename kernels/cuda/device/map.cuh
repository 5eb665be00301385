// map: the kernel of all element-wise operations, also of those of other programs.
//
// It is limited by memory bandwidth, so each thread loads two vectors of each input before it
// computes.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels::cuda {

// The vectors of `width` elements that one thread loads of an array; vector v begins at first(v),
// and the vectors of a thread are a block's width apart.
template <typename T, int width>
struct MapTile {
  static constexpr int kVectors = 2;
  Vector<T, width> vector[kVectors];

  __device__ static int64_t first(int v) {
    return ((int64_t{blockIdx.x} * kVectors + v) * blockDim.x + threadIdx.x) * width;
  }
  __device__ static MapTile load(const T* in, int64_t size) {
    MapTile tile;
    unrolled<kVectors>([&](int v) {
      if (first(v) + width <= size) tile.vector[v] = cuda::load<width>(in + first(v));
    });
    return tile;
  }
};

template <typename Out, int width, typename Function, typename... In>
__device__ void map_tile(Out* out, int64_t size, const Function& function,
                         const MapTile<In, width>&... in) {
  using Tile = MapTile<Out, width>;
  unrolled<Tile::kVectors>([&](int v) {
    if (Tile::first(v) + width > size) return;
    Vector<Out, width> result;
    unrolled<width>([&](int k) { result[k] = function(in.vector[v][k]...); });
    store(out + Tile::first(v), result);
  });
}

// out[i] = function(in[i]...).   out may alias any of in.
template <int width, typename Function, typename Out, typename... In>
__global__ void map_kernel(Function function, int64_t size, Out* out, const In*... in) {
  map_tile<Out, width>(out, size, function, MapTile<In, width>::load(in, size)...);
  const int64_t tail = size / width * width + global_thread();  // elements after the last vector
  if (tail < size) out[tail] = function(in[tail]...);
}

template <int width, typename Function, typename Out, typename... In>
void launch_map(OnCuda on, Function function, int64_t size, Out* out, const In*... in) {
  void (*const kernel)(Function, int64_t, Out*, const In*...) =
      map_kernel<width, Function, Out, In...>;
  const int64_t threads = ceil_divide(size, width * MapTile<Out, width>::kVectors);
  launch(kernel, thread_each(on, threads), function, size, out, in...);
}

// out[i] = function(in[i]...).   out may alias any of in. Function must have
// __device__ Out operator()(In...) const.
template <typename Function, typename Out, typename... In>
void map(OnCuda on, Function function, int64_t size, Out* out, const In*... in) {
  if (is_aligned(out, in...)) {
    launch_map<kVectorSize<Out, In...>>(on, function, size, out, in...);
  } else {
    launch_map<1>(on, function, size, out, in...);
  }
}

}  // namespace ripieno::kernels::cuda
