#include "ripieno/core/random.h"

#include "ripieno/core/device/device_graph.h"
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

namespace {

kernels::RandomKey* as_key(const Tensor& bytes) {
  return static_cast<kernels::RandomKey*>(bytes.raw_data());
}

}  // namespace

Tensor step_key_on(Device device) {
  return Tensor({static_cast<int64_t>(sizeof(kernels::RandomKey))}, DType::uint8, device);
}

void write_step_key(const Tensor& step_key) {
  const RandomContext& context = random_context();
  const kernels::RandomKey key{context.seed, 0, context.step};
  run_on({"random key"}, step_key.device(),
         [&](auto on) { kernels::store(on, as_key(step_key), key); });
}

Tensor random_key_on(Device device, uint64_t stream) {
  const RandomContext& context = random_context();
  const kernels::RandomKey key{context.seed, stream, context.step};
  const Tensor result = step_key_on(device);
  const bool is_in_memory = context.step_key.defined() && context.step_key.device() == device;
  run_on({"random key"}, device, [&](auto on) {
    if (is_in_memory) {
      kernels::key_of_stream(on, as_key(result), as_key(context.step_key), stream);
    } else {
      kernels::store(on, as_key(result), key);
    }
  });
  return result;
}

void fill_uniform(const Tensor& x, double low, double high, const kernels::RandomKey& key) {
  require_not_recording("fill_uniform");
  run({"fill_uniform", {&x}}, x, [&]<typename T>(auto on) {
    kernels::fill_uniform(on, x.data<T>(), x.elements(), low, high, key, 0);
  });
}

void fill_normal(const Tensor& x, double mean, double deviation, const kernels::RandomKey& key) {
  require_not_recording("fill_normal");
  run({"fill_normal", {&x}}, x, [&]<typename T>(auto on) {
    kernels::fill_normal(on, x.data<T>(), x.elements(), mean, deviation, key, 0);
  });
}

}  // namespace ripieno
