// The functions of attention_plan.h in a build without cuDNN.
#include "ripieno/kernels/cuda/cudnn/attention_plan.h"

namespace ripieno::kernels::cuda {

AttentionPlan* attention_plan(AttentionPass, const AttentionShape&, ElementType) { return nullptr; }

bool has_attention_plans() { return false; }
std::string describe_attention_plans() { return "built-in kernels: built without cuDNN"; }

}  // namespace ripieno::kernels::cuda
