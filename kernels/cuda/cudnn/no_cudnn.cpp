// What stands in for cuDNN in a build without it.
#include "ripieno/kernels/cuda/cudnn/attention_plan.h"

namespace ripieno::kernels::cuda {

AttentionPlan* attention_plan(AttentionPass, const AttentionShape&, ElementType) { return nullptr; }

bool has_attention_plans() { return false; }
std::string describe_attention_plans() { return "kernels of our own: built without cuDNN"; }

}  // namespace ripieno::kernels::cuda
