#include "ripieno/core/random.h"

#include "ripieno/core/place.h"
#include "ripieno/kernels/fnv1a.h"
#include "ripieno/kernels/random.h"
#include "ripieno/kernels/store.h"

namespace ripieno {

RandomContext& random_context() {
  thread_local RandomContext context;
  return context;
}

uint64_t random_stream(std::string_view path) { return kernels::fnv1a(path); }

Tensor random_key_on(Device device, uint64_t stream) {
  const RandomContext& context = random_context();
  const kernels::RandomKey key{context.seed, stream, context.step};
  const Tensor result({static_cast<int64_t>(sizeof key)}, DType::uint8, device);
  run_on(device, [&](auto on) {
    kernels::store(on, static_cast<kernels::RandomKey*>(result.raw_data()), key);
  });
  return result;
}

void fill_uniform(const Tensor& x, double low, double high, const kernels::RandomKey& key) {
  run(x, [&]<typename T>(auto on) {
    kernels::fill_uniform(on, x.data<T>(), x.elements(), low, high, key, 0);
  });
}

void fill_normal(const Tensor& x, double mean, double deviation, const kernels::RandomKey& key) {
  run(x, [&]<typename T>(auto on) {
    kernels::fill_normal(on, x.data<T>(), x.elements(), mean, deviation, key, 0);
  });
}

}  // namespace ripieno
