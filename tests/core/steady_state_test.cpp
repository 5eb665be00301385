// Tests that a training step that repeats allocates nothing from the system. Counts every malloc,
// whatever library calls it, except for the libraries named below.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "ripieno/core/autograd.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/adamw.h"

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

std::atomic<bool> counting = false;
std::atomic<int> counted = 0;

// oneDNN and OpenMP allocate within a matrix product; all other calls are ours, or made for us.
bool is_foreign(const void* caller) {
  Dl_info info;
  if (dladdr(caller, &info) == 0 || info.dli_fname == nullptr) return false;
  return std::strstr(info.dli_fname, "libdnnl") != nullptr ||
         std::strstr(info.dli_fname, "libgomp") != nullptr;
}

void count(const void* caller) {
  if (counting && !is_foreign(caller)) ++counted;
}

}  // namespace

extern "C" {
void* malloc(std::size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count_, std::size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_calloc(count_, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  count(__builtin_return_address(0));
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}

namespace ripieno {
namespace {

// The number of allocations in ten steps, after three warm-up steps.
template <typename Step>
int allocations_of(Step step) {
  for (int i = 0; i < 3; ++i) step();
  counted = 0;
  counting = true;
  for (int i = 0; i < 10; ++i) step();
  counting = false;
  return counted;
}

TEST(SteadyState, DetectsAnAllocation) {
  std::vector<int*> kept;
  kept.reserve(100);
  EXPECT_EQ(allocations_of([&] { kept.push_back(new int); }), 10);
  for (int* memory : kept) delete memory;
}

TEST(SteadyState, AnMlpStepDoesNotAllocate) {
  nn::Mlp model({64, 64, 10});
  optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = 1.0});
  const Tensor x = Tensor::zeros({8, 64}), targets = Tensor::zeros({8}, DType::int32);
  EXPECT_EQ(allocations_of([&] {
              const Loss loss = model.loss(x, targets);
              loss.sum.backward();
              optimizer.step(loss.count);
            }),
            0);
}

TEST(SteadyState, AnOperationWithManyInputsAndOutputsDoesNotAllocate) {
  std::array<Tensor, 7> inputs;
  for (Tensor& x : inputs) x = Tensor::full({8}, 2.0).set_requires_gradient();
  EXPECT_EQ(allocations_of([&] {
              const std::array<Tensor, 3> outputs = {Tensor::zeros({8}), Tensor::zeros({8}),
                                                     Tensor::zeros({8})};
              autograd::record("many", outputs, inputs,
                               [x = autograd::Saved(inputs[0])](std::span<Tensor> gradient,
                                                                autograd::Gradients& gradients) {
                                 for (int i = 0; i < 7; ++i) gradients.add(i, gradient[1] * *x);
                               });
              sum(outputs[1] * 3.0).backward();
              for (Tensor& x : inputs) x.clear_gradient();
            }),
            0);
}

void expect_steady_gpt(nn::Recompute recompute) {
  nn::Gpt model({.vocab = 65,
                 .layers = 2,
                 .heads = 2,
                 .channels = 32,
                 .context = 16,
                 .dropout = 0.1,
                 .recompute = recompute});
  optim::AdamW optimizer(model.parameters(), {.max_gradient_norm = 1.0});
  const Tensor ids = Tensor::zeros({4, 16}, DType::int32);
  EXPECT_EQ(allocations_of([&] {
              const Loss loss = model.loss(ids, ids);
              loss.sum.backward();
              optimizer.step(loss.count);
            }),
            0);
}

TEST(SteadyState, AGptStepDoesNotAllocate) { expect_steady_gpt(nn::Recompute::none); }

TEST(SteadyState, AGptStepWithRecomputationDoesNotAllocate) {
  expect_steady_gpt(nn::Recompute::blocks);
}

}  // namespace
}  // namespace ripieno
