#include "ripieno/training/session/gpu_report.h"

#include <fmt/format.h>

#include "ripieno/kernels/attention_library.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno {
namespace {

std::string products(const kernels::Numerics& numerics) {
  std::string text = fmt::format("matrix products by {}, ", kernels::matmul_library());
  if (numerics.algorithms == kernels::ProductAlgorithms::measured) {
    text += "the fastest algorithm measured for each shape";
  } else if (numerics.repeatable_attention) {
    text += "its own choice of algorithms (train.deterministic or parallel.strict)";
  } else {
    text += "its own choice of algorithms (RIPIENO_MATMUL_MEASURE=0)";
  }
  if (!numerics.fused_epilogues) {
    text += ", without fused bias and activation (RIPIENO_MATMUL_EPILOGUES=0)";
  }
  return text;
}

}  // namespace

GpuReport gpu_report(DType precision) {
  GpuReport report;
  std::string attention = kernels::attention_library();
  if (size_of(precision) != 2) {
    attention = fmt::format("built-in kernels (cuDNN computes 16-bit types, parameters are {})",
                            name_of(precision));
  } else if (!kernels::attention_library_is_used()) {
    report.warnings.push_back(
        fmt::format("warning: attention in {} does not use tensor cores and is slower: "
                    "it is computed by {}",
                    name_of(precision), attention));
  }
  report.line = fmt::format("{}; attention by {}", products(kernels::numerics()), attention);
  return report;
}

}  // namespace ripieno
