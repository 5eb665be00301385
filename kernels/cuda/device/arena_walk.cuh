// walk_arena: applies an optimizer rule to an arena. Each element that a segment covers is read and
// written once, in vectors; each thread loads two vectors of each array before it computes. Private
// to kernels/cuda.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels::cuda {

// One thread's values of `width` parameters, common to all optimizers.
template <typename T, int width>
struct ParameterFragment {
  Vector<T, width> parameter, gradient;
  Vector<float, width> master;
};

template <typename T>
struct ArenaParameters {
  using A = accumulator_t<T>;
  T* parameter;
  float* master;  // the values that are updated, or null if T is not narrower than float
  const T* gradient;

  template <int width>
  __device__ void load(int64_t first, ParameterFragment<T, width>& fragment) const {
    fragment.gradient = cuda::load<width>(gradient + first);
    if (master) {
      fragment.master = cuda::load<width>(master + first);
    } else {
      fragment.parameter = cuda::load<width>(parameter + first);
    }
  }
  template <int width>
  __device__ A read(const ParameterFragment<T, width>& fragment, int k) const {
    return master ? A(fragment.master[k]) : widen(fragment.parameter[k]);
  }
  template <int width>
  __device__ void write(ParameterFragment<T, width>& fragment, int k, A value) const {
    fragment.master[k] = static_cast<float>(value);
    fragment.parameter[k] = narrow<T>(master ? A(fragment.master[k]) : value);
  }
  template <int width>
  __device__ void store(int64_t first, const ParameterFragment<T, width>& fragment) const {
    if (master) cuda::store(master + first, fragment.master);
    cuda::store(parameter + first, fragment.parameter);
  }
};

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

// The rule of an element-wise formula (rules/optimizer_formulas.h).
template <typename T, typename Formula>
struct FormulaRule {
  using A = accumulator_t<T>;
  static constexpr int kStates = Formula::kStates;
  ArenaParameters<T> parameters;
  float* states[kStates];
  Formula formula;

  template <int width>
  struct Fragment : ParameterFragment<T, width> {
    Vector<float, width> state[kStates];
  };
  template <int width>
  __device__ void load(int64_t first, Fragment<width>& fragment) const {
    parameters.load(first, fragment);
    unrolled<kStates>([&](int s) { fragment.state[s] = cuda::load<width>(states[s] + first); });
  }
  template <int width>
  __device__ void step(Fragment<width>& fragment, const ParameterSegment& segment,
                       const StepScalars& now) const {
    const A rate = A(now.learning_rate) * A(segment.learning_rate_factor);
    const A decay = segment.weight_decay;
    unrolled<width>([&](int k) {
      A state[kStates];
      unrolled<kStates>([&](int s) { state[s] = A(fragment.state[s][k]); });
      const A gradient = widen(fragment.gradient[k]) * A(now.gradient_scale);
      const A value = parameters.read(fragment, k);
      parameters.write(fragment, k, formula(value, gradient, rate, decay, now, state));
      unrolled<kStates>([&](int s) { fragment.state[s][k] = static_cast<float>(state[s]); });
    });
  }
  template <int width>
  __device__ void store(int64_t first, const Fragment<width>& fragment) const {
    parameters.store(first, fragment);
    unrolled<kStates>([&](int s) { cuda::store(states[s] + first, fragment.state[s]); });
  }
};

template <typename T, typename Formula, typename... State>
void update_arena(OnCuda on, const ArenaStep<T>& arena, const Formula& formula, State*... states) {
  const FormulaRule<T, Formula> rule{
      {arena.parameter, arena.master, arena.gradient}, {states...}, formula};
  if (is_aligned(arena.parameter, arena.master, arena.gradient, states...)) {
    walk_arena<kVectorSize<T, float>>(on, rule, arena.size, arena.segments, arena.segment_count,
                                      arena.scalars);
  } else {
    walk_arena<1>(on, rule, arena.size, arena.segments, arena.segment_count, arena.scalars);
  }
}

}  // namespace ripieno::kernels::cuda
