#include "ripieno/kernels/convolution.h"

#include <algorithm>
#include <type_traits>

#include "ripieno/kernels/cpu/gemm/convolution_library.h"
#include "ripieno/kernels/cpu/gemm/gemm.h"
#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/scratch.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

template <typename A>
constexpr int64_t kPanel = cpu::detail::kPanelCols<A>;

// Output positions of one work item: with a block of depth 256, packed patches take 256 KiB of
// float and stay in the L2 cache.
constexpr int64_t kPositions = 256;
// Images are summed in at most this many chunks for the gradient of the weight, whose partial sums
// take at most 16 MiB, but at least in four. The library computes a chunk at a time, too.
constexpr int64_t kChunks = 16, kFewestChunks = 4, kPartialSums = int64_t{1} << 22;

// A convolution whose input is spread: in[i] is at position i * spread, with zeros between. The
// gradient of a strided convolution's input is one.
struct Patches {
  ConvolutionAxis y, x;
  int64_t spread_y = 1, spread_x = 1;
};

// row[i] = the element of the image `in` that position first + i of the output reads through tap
// (ky, kx), 0 outside.   i in [0, count).
template <typename A, typename T>
void read_positions(A* row, const T* in, const Patches& of, int64_t ky, int64_t kx, int64_t first,
                    int64_t count) {
  int64_t oy = first / of.x.out, ox = first % of.x.out;
  for (int64_t i = 0; i < count; ++oy, ox = 0) {
    const int64_t run = std::min(count - i, of.x.out - ox);
    const int64_t spread_y = oy * of.y.stride - of.y.padding + ky * of.y.dilation;
    const int64_t y = spread_y / of.spread_y;
    A* const to = row + i;
    i += run;
    if (spread_y < 0 || y >= of.y.in || y * of.spread_y != spread_y) {
      std::fill_n(to, run, A(0));
      continue;
    }
    const T* const from = in + y * of.x.in;
    const int64_t x = ox * of.x.stride - of.x.padding + kx * of.x.dilation;
    if (of.x.stride == 1 && of.spread_x == 1) {
      const int64_t begin = std::clamp<int64_t>(-x, 0, run);
      const int64_t end = std::clamp<int64_t>(of.x.in - x, begin, run);
      for (int64_t j = 0; j < begin; ++j) to[j] = A(0);
      for (int64_t j = begin; j < end; ++j) to[j] = A(from[x + j]);
      for (int64_t j = end; j < run; ++j) to[j] = A(0);
      continue;
    }
    for (int64_t j = 0; j < run; ++j) {
      const int64_t at = x + j * of.x.stride, unspread = at / of.spread_x;
      const bool reads = at >= 0 && unspread < of.x.in && unspread * of.spread_x == at;
      to[j] = reads ? A(from[unspread]) : A(0);
    }
  }
}

// Packs patches as a block of the right side of a product, (depth, positions), for
// multiply_packed(). Row d of the product's right side is (channel, ky, kx).
template <typename A, typename T>
void pack_patches(A* packed, const T* in, const Patches& of, const cpu::detail::Block& block) {
  const int64_t taps = of.y.kernel * of.x.kernel;
  for (int64_t j = 0; j < block.cols; j += kPanel<A>) {
    const int64_t cols = std::min(kPanel<A>, block.cols - j);
    A* row = packed + j * block.depth;
    for (int64_t d = block.depth_begin; d < block.depth_begin + block.depth; ++d) {
      const int64_t tap = d % taps;
      read_positions(row, in + d / taps * of.y.in * of.x.in, of, tap / of.x.kernel,
                     tap % of.x.kernel, block.col + j, cols);
      for (int64_t k = cols; k < kPanel<A>; ++k) row[k] = A(0);
      row += kPanel<A>;
    }
  }
}

// The weights in the accumulator type: themselves, or a copy.
template <typename T>
const accumulator_t<T>* widened(const T* values, int64_t size) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return values;
  } else {
    float* out = cpu::scratch<float>(cpu::Scratch::kLeft, size);
    for (int64_t i = 0; i < size; ++i) out[i] = float(values[i]);
    return out;
  }
}

template <typename T>
void finish_row(T* out, const accumulator_t<T>* sums, int64_t size, accumulator_t<T> bias,
                bool accumulate) {
  using A = accumulator_t<T>;
  if (accumulate) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) out[i] = cpu::convert<T>(A(out[i]) + (sums[i] + bias));
  } else {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) out[i] = cpu::convert<T>(sums[i] + bias);
  }
}

// out = weight x patches (+ bias) (+ out) for all images.   weight: (groups, outputs / groups,
// depth), in: (batch, inputs, of.y.in, of.x.in), out: (batch, outputs, of.y.out, of.x.out).
template <typename T>
void multiply_patches(T* out, const T* in, const accumulator_t<T>* weight, const T* bias,
                      const Patches& of, int64_t batch, int64_t groups, int64_t group_inputs,
                      int64_t group_outputs, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t in_size = of.y.in * of.x.in, out_size = of.y.out * of.x.out;
  const int64_t depth = group_inputs * of.y.kernel * of.x.kernel;
  const int64_t strips = (out_size + kPositions - 1) / kPositions;
  const int64_t work = group_outputs * kPositions * depth / 32;
  cpu::parallel_for(batch * groups * strips, work, [&](int64_t item) {
    const int64_t strip = item % strips, image = item / strips;  // of (batch, groups)
    const int64_t group = image % groups;
    const int64_t first = strip * kPositions, cols = std::min(kPositions, out_size - first);
    const T* const x = in + image * group_inputs * in_size;
    T* const y = out + image * group_outputs * out_size + first;
    A* const sums = cpu::scratch<A>(cpu::Scratch::kOut, group_outputs * cols);
    const cpu::Gemm gemm{.m = group_outputs, .n = cols, .k = depth, .lda = depth, .ldc = cols};
    A* const packed = cpu::scratch<A>(cpu::Scratch::kPacked, cpu::detail::packed_size<A>(gemm));
    cpu::detail::for_each_block_of(gemm, [&](cpu::detail::Block block) {
      block.col = first;
      pack_patches(packed, x, of, block);
      block.col = 0;
      cpu::detail::multiply_packed(sums, weight + group * group_outputs * depth, packed, gemm,
                                   block, {0, group_outputs, 0, cols});
    });
    for (int64_t o = 0; o < group_outputs; ++o) {
      const A shift = bias ? A(bias[group * group_outputs + o]) : A(0);
      finish_row(y + o * out_size, sums + o * cols, cols, shift, accumulate);
    }
  });
}

// weight (groups, outputs, inputs, ky, kx) as (groups, inputs, outputs, -ky, -kx).
template <typename T>
const accumulator_t<T>* mirrored(const T* weight, const ConvolutionShape& shape) {
  using A = accumulator_t<T>;
  const int64_t taps = shape.taps(), inputs = shape.group_inputs(), outputs = shape.group_outputs();
  A* const out = cpu::scratch<A>(cpu::Scratch::kLeft, shape.weights());
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t o = 0; o < outputs; ++o) {
      for (int64_t i = 0; i < inputs; ++i) {
        const T* const from = weight + ((group * outputs + o) * inputs + i) * taps;
        A* const to = out + ((group * inputs + i) * outputs + o) * taps;
        for (int64_t tap = 0; tap < taps; ++tap) to[taps - 1 - tap] = A(from[tap]);
      }
    }
  }
  return out;
}

// The axis whose input is the gradient of the output, spread by the forward's stride.
ConvolutionAxis of_gradient(const ConvolutionAxis& axis) {
  return {.in = axis.out,
          .out = axis.in,
          .kernel = axis.kernel,
          .stride = 1,
          .padding = axis.dilation * (axis.kernel - 1) - axis.padding,
          .dilation = axis.dilation};
}

// The number of images in a chunk, the last of which may have fewer.
int64_t chunk_of(const ConvolutionShape& shape) {
  const int64_t fit = kPartialSums / std::max<int64_t>(1, shape.weights());
  const int64_t most = std::clamp(fit, kFewestChunks, kChunks);
  return std::max<int64_t>(1, (shape.batch + most - 1) / most);
}
int64_t chunks_of(const ConvolutionShape& shape) {
  const int64_t each = chunk_of(shape);
  return (shape.batch + each - 1) / each;
}

// Calls body(chunk, first image, the shape of the chunk's images) for each chunk.
template <typename Body>
void for_each_chunk(const ConvolutionShape& shape, const Body& body) {
  const int64_t each = chunk_of(shape), work = each * shape.out_size() * shape.weights() / 32;
  cpu::parallel_for(chunks_of(shape), work, [&](int64_t chunk) {
    ConvolutionShape images = shape;
    const int64_t begin = chunk * each;
    images.batch = std::min(each, shape.batch - begin);
    body(chunk, begin, images);
  });
}

// sums (outputs / groups, depth) = the gradient of one group's weight over some images.
template <typename T>
void sum_images(accumulator_t<T>* sums, const T* grad_out, const T* in,
                const ConvolutionShape& shape, int64_t group, int64_t begin, int64_t end) {
  using A = accumulator_t<T>;
  const int64_t out_size = shape.out_size(), outputs = shape.group_outputs();
  const int64_t taps = shape.taps(), depth = shape.group_inputs() * taps;
  const Patches of{shape.y, shape.x};
  A* const patches = cpu::scratch<A>(cpu::Scratch::kRight, depth * std::min(out_size, kPositions));
  A* const left = cpu::scratch<A>(cpu::Scratch::kOut, outputs * kPositions);
  bool first = true;
  for (int64_t image = begin; image < end; ++image) {
    const T* const x = in + (image * shape.inputs + group * shape.group_inputs()) * shape.in_size();
    const T* const gradient = grad_out + (image * shape.outputs + group * outputs) * out_size;
    for (int64_t at = 0; at < out_size; at += kPositions) {
      const int64_t count = std::min(kPositions, out_size - at);
      for (int64_t d = 0; d < depth; ++d) {
        read_positions(patches + d * count, x + d / taps * shape.in_size(), of,
                       d % taps / shape.x.kernel, d % taps % shape.x.kernel, at, count);
      }
      const A* a = nullptr;
      int64_t lda = out_size;
      if constexpr (std::is_same_v<T, A>) {
        a = gradient + at;
      } else {
        for (int64_t o = 0; o < outputs; ++o) {
          for (int64_t i = 0; i < count; ++i)
            left[o * count + i] = A(gradient[o * out_size + at + i]);
        }
        a = left;
        lda = count;
      }
      cpu::multiply(sums, a, static_cast<const A*>(patches),
                    {.m = outputs,
                     .n = depth,
                     .k = count,
                     .transpose_b = true,
                     .lda = lda,
                     .ldb = count,
                     .ldc = depth,
                     .accumulate = !first});
      first = false;
    }
  }
}

// partials[chunk] = the gradient of the weight over the images of a chunk.
template <typename T>
void sum_chunks(accumulator_t<T>* partials, const T* grad_out, const T* in,
                const ConvolutionShape& shape) {
  if (shape.out_size() == 0) return;
  const int64_t weights = shape.weights(), of_group = weights / shape.groups;
  if constexpr (std::is_same_v<T, float>) {
    if (cpu::library_convolves(shape)) {
      return for_each_chunk(
          shape, [&](int64_t chunk, int64_t first, const ConvolutionShape& images) {
            cpu::convolve_weight_gradient_by_library(
                partials + chunk * weights, grad_out + first * shape.outputs * shape.out_size(),
                in + first * shape.inputs * shape.in_size(), images);
          });
    }
  }
  const int64_t each = chunk_of(shape), work = each * of_group * shape.out_size() / 32;
  cpu::parallel_for(chunks_of(shape) * shape.groups, work, [&](int64_t item) {
    const int64_t chunk = item / shape.groups, group = item % shape.groups;
    const int64_t begin = chunk * each, end = std::min(shape.batch, begin + each);
    sum_images(partials + chunk * weights + group * of_group, grad_out, in, shape, group, begin,
               end);
  });
}

}  // namespace

template <typename T>
void convolution_forward(OnCpu, T* out, const T* in, const T* weight, const T* bias,
                         const ConvolutionShape& shape) {
  if (shape.batch * shape.outputs * shape.out_size() == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    if (cpu::library_convolves(shape)) {
      return for_each_chunk(shape, [&](int64_t, int64_t first, const ConvolutionShape& images) {
        cpu::convolve_by_library(out + first * shape.outputs * shape.out_size(),
                                 in + first * shape.inputs * shape.in_size(), weight, bias, images);
      });
    }
  }
  multiply_patches(out, in, widened(weight, shape.weights()), bias, {shape.y, shape.x}, shape.batch,
                   shape.groups, shape.group_inputs(), shape.group_outputs(), false);
}

template <typename T>
void convolution_input_gradient(OnCpu, T* grad_in, const T* grad_out, const T* weight,
                                const ConvolutionShape& shape, bool accumulate) {
  if (shape.batch * shape.inputs * shape.in_size() == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    if (!accumulate && cpu::library_convolves(shape)) {
      return for_each_chunk(shape, [&](int64_t, int64_t first, const ConvolutionShape& images) {
        cpu::convolve_input_gradient_by_library(grad_in + first * shape.inputs * shape.in_size(),
                                                grad_out + first * shape.outputs * shape.out_size(),
                                                weight, images);
      });
    }
  }
  const Patches of{of_gradient(shape.y), of_gradient(shape.x), shape.y.stride, shape.x.stride};
  multiply_patches<T>(grad_in, grad_out, mirrored(weight, shape), nullptr, of, shape.batch,
                      shape.groups, shape.group_outputs(), shape.group_inputs(), accumulate);
}

int64_t convolution_workspace(OnCpu, const ConvolutionShape& shape) {
  return chunks_of(shape) * shape.weights();
}

template <typename T>
void convolution_weight_gradient(OnCpu, T* grad_weight, void* workspace, const T* grad_out,
                                 const T* in, const ConvolutionShape& shape, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t weights = shape.weights();
  const int64_t chunks = shape.out_size() == 0 ? 0 : chunks_of(shape);
  A* const partials = static_cast<A*>(workspace);
  sum_chunks(partials, grad_out, in, shape);
  cpu::for_each_block(weights, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      A sum = A(0);
      for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partials[chunk * weights + i];
      grad_weight[i] = T(accumulate ? A(grad_weight[i]) + sum : sum);
    }
  });
}

template void convolution_forward(OnCpu, float*, const float*, const float*, const float*,
                                  const ConvolutionShape&);
template void convolution_forward(OnCpu, double*, const double*, const double*, const double*,
                                  const ConvolutionShape&);
template void convolution_forward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*,
                                  const bfloat16*, const ConvolutionShape&);
template void convolution_forward(OnCpu, float16*, const float16*, const float16*, const float16*,
                                  const ConvolutionShape&);

template void convolution_input_gradient(OnCpu, float*, const float*, const float*,
                                         const ConvolutionShape&, bool);
template void convolution_input_gradient(OnCpu, double*, const double*, const double*,
                                         const ConvolutionShape&, bool);
template void convolution_input_gradient(OnCpu, bfloat16*, const bfloat16*, const bfloat16*,
                                         const ConvolutionShape&, bool);
template void convolution_input_gradient(OnCpu, float16*, const float16*, const float16*,
                                         const ConvolutionShape&, bool);

template void convolution_weight_gradient(OnCpu, float*, void*, const float*, const float*,
                                          const ConvolutionShape&, bool);
template void convolution_weight_gradient(OnCpu, double*, void*, const double*, const double*,
                                          const ConvolutionShape&, bool);
template void convolution_weight_gradient(OnCpu, bfloat16*, void*, const bfloat16*, const bfloat16*,
                                          const ConvolutionShape&, bool);
template void convolution_weight_gradient(OnCpu, float16*, void*, const float16*, const float16*,
                                          const ConvolutionShape&, bool);

}  // namespace ripieno::kernels
