// update_arena: applies an element-wise optimizer formula to an arena. Private to kernels/cpu.
#pragma once

#include <algorithm>
#include <array>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::kernels::cpu {

// Calls body(begin, end, segment) for ranges that cover the segments. Work is split evenly, however
// many segments there are and however short they are.
template <typename Body>
void for_each_segment_block(const ParameterSegment* segments, int64_t count,
                            int64_t work_per_element, const Body& body) {
  if (count == 0) return;
  const int64_t first = segments[0].begin, last = segments[count - 1].end;
  const int64_t blocks = (last - first + kBlock - 1) / kBlock;
  parallel_for(blocks, kBlock * work_per_element, [&](int64_t block) {
    const int64_t begin = first + block * kBlock;
    const int64_t end = std::min(last, begin + kBlock);
    const auto ends_before = [](const ParameterSegment& s, int64_t at) { return s.end <= at; };
    const ParameterSegment* s = std::lower_bound(segments, segments + count, begin, ends_before);
    for (; s != segments + count && s->begin < end; ++s) {
      body(std::max(begin, s->begin), std::min(end, s->end), *s);
    }
  });
}

// parameter = formula(…), element by element; `states`: arrays that the formula reads and writes
// (rules/optimizer_formulas.h).
template <typename T, typename Formula>
void update_arena(const ArenaStep<T>& arena, const std::array<float*, Formula::kStates>& states,
                  const Formula& formula) {
  if (arena.scalars->skips) return;
  using A = accumulator_t<T>;
  const StepScalars now = *arena.scalars;
  T* const parameter = arena.parameter;
  float* const master = arena.master;
  const T* const gradient = arena.gradient;
  for_each_segment_block(arena.segments, arena.segment_count, 2 + Formula::kStates,
                         [=](int64_t begin, int64_t end, const ParameterSegment& segment) {
                           const A rate = A(now.learning_rate) * A(segment.learning_rate_factor);
                           const A decay = A(segment.weight_decay), scale = A(now.gradient_scale);
                           const auto step = [=](A value, int64_t i) {
                             A state[Formula::kStates];
                             for (int k = 0; k < Formula::kStates; ++k) state[k] = A(states[k][i]);
                             const A result =
                                 formula(value, A(gradient[i]) * scale, rate, decay, now, state);
                             for (int k = 0; k < Formula::kStates; ++k)
                               states[k][i] = static_cast<float>(state[k]);
                             return result;
                           };
                           if (master) {
#pragma omp simd
                             for (int64_t i = begin; i < end; ++i) {
                               master[i] = static_cast<float>(step(A(master[i]), i));
                               parameter[i] = T(static_cast<A>(master[i]));
                             }
                           } else {
#pragma omp simd
                             for (int64_t i = begin; i < end; ++i)
                               parameter[i] = T(step(A(parameter[i]), i));
                           }
                         });
}

}  // namespace ripieno::kernels::cpu
