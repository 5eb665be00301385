// walk_arena: applies an optimizer rule to an arena. Each element that a segment covers is read and
// written once, in vectors; each thread loads two vectors of each array before it computes. Private
// to kernels/cuda.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels::cuda {

// The first segment that ends after `element`; an empty one at the end of the arena if there is
// none.
__device__ inline ParameterSegment segment_at(int64_t element, const ParameterSegment* segments,
                                              int64_t count, int64_t size) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (segments[middle].end <= element) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count ? segments[low] : ParameterSegment{size, size};
}

// Updates elements begin to end - 1 one by one; each may be in another segment or in none.
template <typename Rule>
__device__ void walk_elements(const Rule& rule, int64_t begin, int64_t end, int64_t size,
                              const ParameterSegment* segments, int64_t count,
                              const StepScalars& step) {
  for (int64_t i = begin; i < end; ++i) {
    const ParameterSegment segment = segment_at(i, segments, count, size);
    if (i < segment.begin) continue;
    typename Rule::template Fragment<1> fragment;
    rule.load(i, fragment);
    rule.step(fragment, segment, step);
    rule.store(i, fragment);
  }
}

// A Rule has a type Fragment<width>, the values of `width` elements that an optimizer reads and
// writes, and the functions load(first, fragment), step(fragment, segment, scalars) and
// store(first, fragment).
template <int width, typename Rule>
__global__ void walk_arena_kernel(Rule rule, int64_t size, const ParameterSegment* segments,
                                  int64_t count, const StepScalars* scalars) {
  constexpr int kVectors = 2;
  const StepScalars step = *scalars;
  if (step.skips) return;
  const auto first = [](int v) {
    return ((int64_t{blockIdx.x} * kVectors + v) * blockDim.x + threadIdx.x) * width;
  };
  typename Rule::template Fragment<width> fragment[kVectors];
  unrolled<kVectors>([&](int v) {
    if (first(v) + width <= size) rule.load(first(v), fragment[v]);
  });
  ParameterSegment segment{};
  unrolled<kVectors>([&](int v) {
    const int64_t begin = first(v), end = begin + width;
    if (begin >= segment.end) segment = segment_at(begin, segments, count, size);
    if (segment.begin <= begin && end <= segment.end) {
      rule.step(fragment[v], segment, step);
      rule.store(begin, fragment[v]);
    } else {
      walk_elements(rule, begin, end < size ? end : size, size, segments, count, step);
    }
  });
}

template <int width, typename Rule>
void walk_arena(OnCuda on, const Rule& rule, int64_t size, const ParameterSegment* segments,
                int64_t count, const StepScalars* scalars) {
  launch(walk_arena_kernel<width, Rule>, thread_each(on, ceil_divide(size, 2 * width)), rule, size,
         segments, count, scalars);
}

}  // namespace ripieno::kernels::cuda
