// Random numbers as pure functions of (seed, stream, step, index): the same on every device and for
// any number of ranks (Philox4x32-10; Salmon et al., 2011).
#pragma once

#include <cstdint>
#include <string_view>

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/philox.h"

namespace ripieno {

// The key of this thread's random numbers. A Run sets step and first_row before each step. In a
// loop of your own each optimizer step advances `step`, so that no two steps draw the same dropout
// masks. On several ranks, and for each micro-batch, set first_row (Batch::first_row) before the
// forward; a resumed loop sets `step` to the number of steps taken.
struct RandomContext {
  uint64_t seed = 0;
  uint64_t step = 0;
  int64_t first_row = 0;  // index of the first row of this rank's part in the global batch
  // If defined, random_key_on() reads seed and step from this memory (step_key_on) instead of the
  // members above, so that a step that is recorded and replayed draws new numbers each time.
  Tensor step_key = {};
  // The number of calls of Tensor::rand() and randn() so far, with this seed in this step.
  struct Draws {
    uint64_t seed = 0, step = 0, count = 0;
  };
  Draws draws = {};
};
// This thread's context.
RandomContext& random_context();

// Restores this thread's context when it is destroyed; the second constructor also sets one for its
// lifetime.
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

// The random stream of a module: the FNV-1a hash of its path.
uint64_t random_stream(std::string_view path);

// The key (seed, `stream`, step) of this thread's context in memory of `device`, where kernels read
// it: a kernels::RandomKey as a uint8 tensor. On a GPU it is enqueued.
Tensor random_key_on(Device device, uint64_t stream);

// Memory for RandomContext::step_key, on `device`; write_step_key() writes the seed and step of
// this thread's context to it. On a GPU it is enqueued.
Tensor step_key_on(Device device);
void write_step_key(const Tensor& step_key);

// Fills a dense floating-point tensor in place with numbers that are uniform between `low` and
// `high`; not recorded. Element i depends on (key, i) only. Throws Error for other element types,
// and CannotRecord while a step is recorded, because each replay would draw the same numbers.
void fill_uniform(const Tensor& x, double low, double high, const kernels::RandomKey& key);
// The same with normally distributed numbers.
void fill_normal(const Tensor& x, double mean, double deviation, const kernels::RandomKey& key);

}  // namespace ripieno
