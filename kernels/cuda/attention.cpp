#include "ripieno/kernels/attention.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include "ripieno/kernels/cuda/cudnn/attention_plan.h"
#include "ripieno/kernels/cuda/flash_attention.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno::kernels {
namespace {

// The library's plan, or null if T is not a 16-bit type or there is no plan.
template <typename T>
cuda::AttentionPlan* plan_for(cuda::AttentionPass pass, const AttentionShape& shape) {
  if constexpr (sizeof(T) == 2) {
    if (!shape.worth_compiling || !numerics().library_attention) return nullptr;
    constexpr bool brain = std::is_same_v<T, bfloat16>;
    return cuda::attention_plan(pass, shape,
                                brain ? cuda::ElementType::kBFloat16 : cuda::ElementType::kFloat16);
  } else {
    return nullptr;
  }
}

// Returns false if the plan has failed.
bool run(cuda::AttentionPlan& plan, OnCuda on, const char* name, const AttentionShape& shape,
         std::span<void* const> memory, void* workspace) {
  if (!plan.run(on, memory, workspace)) return false;
  cuda::record_operation(on.stream, name, {shape.batch, shape.time, shape.heads, shape.head_size});
  return true;
}

template <typename... Pointers>
bool are_aligned(Pointers... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

// The library takes all tensors as void*, inputs too.
template <typename T>
void* untyped(const T* pointer) {
  return const_cast<T*>(pointer);
}

}  // namespace

template <typename T>
int64_t attention_forward_workspace_bytes(OnCuda, const AttentionShape& shape) {
  const auto* const plan = plan_for<T>(cuda::AttentionPass::kForward, shape);
  return plan ? plan->workspace_bytes() : 0;
}

template <typename T>
int64_t attention_backward_workspace_bytes(OnCuda, const AttentionShape& shape) {
  const auto* const plan = plan_for<T>(cuda::AttentionPass::kBackward, shape);
  const int64_t products = shape.batch * shape.heads * shape.time;
  return std::max<int64_t>(plan ? plan->workspace_bytes() : 0,
                           products * static_cast<int64_t>(sizeof(accumulator_t<T>)));
}

template <typename T>
void attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, void* workspace,
                       const T* q, const T* k, const T* v, const AttentionShape& shape) {
  auto* const plan = plan_for<T>(cuda::AttentionPass::kForward, shape);
  if (plan && are_aligned(q, k, v, out) &&
      run(*plan, on, "attention forward (batch, time, heads, head size)", shape,
          std::array{untyped(q), untyped(k), untyped(v), untyped(out), untyped(log_sum_exp)},
          workspace)) {
    const int64_t queries = shape.batch * shape.heads * shape.time;
    cuda::zero(log_sum_exp + queries, static_cast<std::size_t>(queries) * sizeof *log_sum_exp,
               on.stream);
  } else {
    cuda::flash_attention_forward(on, out, log_sum_exp, q, k, v, shape);
  }
}

template <typename T>
void attention_backward(OnCuda on, const AttentionBackwardArguments<T>& args,
                        const AttentionShape& shape) {
  auto* const plan = plan_for<T>(cuda::AttentionPass::kBackward, shape);
  const bool is_done =
      plan &&
      are_aligned(args.q, args.k, args.v, args.out, args.grad_out, args.grad_q, args.grad_k,
                  args.grad_v) &&
      run(*plan, on, "attention backward (batch, time, heads, head size)", shape,
          std::array{untyped(args.q), untyped(args.k), untyped(args.v), untyped(args.out),
                     untyped(args.grad_out), untyped(args.log_sum_exp), untyped(args.grad_q),
                     untyped(args.grad_k), untyped(args.grad_v)},
          args.workspace);
  if (!is_done) cuda::flash_attention_backward(on, args, shape);
}

template int64_t attention_forward_workspace_bytes<float>(OnCuda, const AttentionShape&);
template int64_t attention_forward_workspace_bytes<double>(OnCuda, const AttentionShape&);
template int64_t attention_forward_workspace_bytes<bfloat16>(OnCuda, const AttentionShape&);
template int64_t attention_forward_workspace_bytes<float16>(OnCuda, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<float>(OnCuda, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<double>(OnCuda, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<bfloat16>(OnCuda, const AttentionShape&);
template int64_t attention_backward_workspace_bytes<float16>(OnCuda, const AttentionShape&);

template void attention_forward(OnCuda, float*, float*, void*, const float*, const float*,
                                const float*, const AttentionShape&);
template void attention_forward(OnCuda, double*, double*, void*, const double*, const double*,
                                const double*, const AttentionShape&);
template void attention_forward(OnCuda, bfloat16*, float*, void*, const bfloat16*, const bfloat16*,
                                const bfloat16*, const AttentionShape&);
template void attention_forward(OnCuda, float16*, float*, void*, const float16*, const float16*,
                                const float16*, const AttentionShape&);

template void attention_backward(OnCuda, const AttentionBackwardArguments<float>&,
                                 const AttentionShape&);
template void attention_backward(OnCuda, const AttentionBackwardArguments<double>&,
                                 const AttentionShape&);
template void attention_backward(OnCuda, const AttentionBackwardArguments<bfloat16>&,
                                 const AttentionShape&);
template void attention_backward(OnCuda, const AttentionBackwardArguments<float16>&,
                                 const AttentionShape&);

}  // namespace ripieno::kernels
