#include "ripieno/kernels/random.h"

#include <cmath>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/random_blocks.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// Element `index` of a block of four: 0 and 1 are computed from its words 0 and 1, 2 and 3 from its
// words 2 and 3.
double normal(const RandomBlock& block, int64_t index) {
  const double u = static_cast<double>(to_uniform(block.word[index & 2]));
  const double v = static_cast<double>(to_uniform(block.word[(index & 2) + 1]));
  const double radius = std::sqrt(-2.0 * std::log(u)), angle = 6.283185307179586 * v;
  return radius * ((index & 1) ? std::sin(angle) : std::cos(angle));
}

}  // namespace

void key_of_stream(OnCpu, RandomKey* out, const RandomKey* step, uint64_t stream) {
  *out = {step->seed, stream, step->step};
}

template <typename T>
void fill_uniform(OnCpu, T* out, int64_t size, double low, double high, const RandomKey& key,
                  int64_t offset) {
  using A = accumulator_t<T>;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    cpu::for_each_word(key, offset, begin, end, [&](int64_t i, uint32_t word) {
      const double uniform = static_cast<double>(to_uniform(word));
      out[i] = T(static_cast<A>(low + (high - low) * uniform));
    });
  });
}

template <typename T>
void fill_normal(OnCpu, T* out, int64_t size, double mean, double deviation, const RandomKey& key,
                 int64_t offset) {
  using A = accumulator_t<T>;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t element = static_cast<uint64_t>(offset + i);
      const double value = normal(philox(key, element / 4), static_cast<int64_t>(element % 4));
      out[i] = T(static_cast<A>(mean + deviation * value));
    }
  });
}

template void fill_uniform(OnCpu, float*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_uniform(OnCpu, double*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_uniform(OnCpu, bfloat16*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_uniform(OnCpu, float16*, int64_t, double, double, const RandomKey&, int64_t);

template void fill_normal(OnCpu, float*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_normal(OnCpu, double*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_normal(OnCpu, bfloat16*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_normal(OnCpu, float16*, int64_t, double, double, const RandomKey&, int64_t);

}  // namespace ripieno::kernels
