#include "ripieno/kernels/attention_library.h"

#include "ripieno/kernels/cuda/cudnn/attention_plan.h"

namespace ripieno::kernels {

std::string attention_library() { return cuda::describe_attention_plans(); }
bool attention_library_is_found() { return cuda::has_attention_plans(); }

}  // namespace ripieno::kernels
