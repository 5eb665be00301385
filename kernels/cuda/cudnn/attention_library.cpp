#include "ripieno/kernels/attention_library.h"

#include <atomic>

#include "ripieno/kernels/cuda/cudnn/attention_plan.h"

namespace ripieno::kernels {
namespace {

std::atomic<bool> repeatable = false;

}  // namespace

std::string attention_library() { return cuda::describe_attention_plans(); }
bool attention_library_is_found() { return cuda::has_attention_plans(); }

void require_repeatable_attention(bool required) { repeatable = required; }
bool repeatable_attention_is_required() { return repeatable; }

}  // namespace ripieno::kernels
