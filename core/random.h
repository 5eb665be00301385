// Random numbers as pure functions of (seed, stream, step, index): the same on every device and any
// number of ranks.
#pragma once

#include <cstdint>
#include <string_view>

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/philox.h"

namespace ripieno {

// What the random numbers of this thread's current step are keyed by. Training sets it before each
// step.
struct RandomContext {
  uint64_t seed = 0;
  uint64_t step = 0;
  int64_t first_row = 0;  // where this rank's part of the global batch begins
};
RandomContext& random_context();

// While one lives, this thread's context may be changed; afterwards it is as it was.
class ScopedRandomContext {
 public:
  ScopedRandomContext() : before_(random_context()) {}
  explicit ScopedRandomContext(const RandomContext& context) : ScopedRandomContext() {
    random_context() = context;
  }
  ~ScopedRandomContext() { random_context() = before_; }
  ScopedRandomContext(const ScopedRandomContext&) = delete;
  ScopedRandomContext& operator=(const ScopedRandomContext&) = delete;

 private:
  RandomContext before_;
};

// The stream of a module: a hash (FNV-1a) of its path.
uint64_t random_stream(std::string_view path);

// The key of this thread's current step and of `stream`, in memory of `device`, where kernels read
// it. On a GPU the host does not wait for it.
Tensor random_key_on(Device device, uint64_t stream);

// In place, dense, not recorded; element i depends on (key, i) alone.
void fill_uniform(const Tensor& x, double low, double high, const kernels::RandomKey& key);
void fill_normal(const Tensor& x, double mean, double deviation, const kernels::RandomKey& key);

}  // namespace ripieno
