#include "ripieno/kernels/attention_library.h"

#include <mutex>
#include <utility>

#include "ripieno/kernels/cuda/cudnn/attention_plan.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno::kernels {
namespace {

struct Remarks {
  std::mutex mutex;
  std::function<void(std::string_view)> write;
};
Remarks& remarks() {
  static auto& all = *new Remarks;
  return all;
}

}  // namespace

std::string attention_library() {
  if (!numerics().library_attention) return "built-in kernels: disabled by RIPIENO_USE_CUDNN=0";
  return cuda::describe_attention_plans();
}

bool attention_library_is_used() {
  return numerics().library_attention && cuda::has_attention_plans();
}

void on_attention_remark(std::function<void(std::string_view)> remark) {
  const std::lock_guard lock(remarks().mutex);
  remarks().write = std::move(remark);
}

void cuda::remark_on_attention(const std::string& line) {
  const std::lock_guard lock(remarks().mutex);
  if (remarks().write) remarks().write(line);
}

}  // namespace ripieno::kernels
