#include "ripieno/kernels/cuda/products/product.h"

#include <algorithm>
#include <sstream>

namespace ripieno::kernels::cuda {
namespace {

const char* name_of(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "float32";
    case ElementType::kFloat64:
      return "float64";
    case ElementType::kBFloat16:
      return "bfloat16";
    default:
      return "float16";
  }
}

const char* name_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kNone:
      return "plain";
    case Epilogue::kBias:
      return "bias";
    case Epilogue::kGelu:
      return "GELU";
    case Epilogue::kGeluBias:
      return "bias + GELU";
    case Epilogue::kGeluKept:
      return "GELU keeping its input";
    case Epilogue::kGeluBiasKept:
      return "bias + GELU keeping its input";
    case Epilogue::kGeluGradient:
      return "gradient of GELU";
    default:
      return "bias gradient";
  }
}

uint32_t alignment_of(const void* memory) {
  if (memory == nullptr) return 0;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  return static_cast<uint32_t>(std::min<std::uintptr_t>(address & -address, kMostAlignment));
}

std::string to_string(const ColumnMajorMatrix& matrix) {
  std::ostringstream text;
  text << matrix.rows << "x" << matrix.cols << "/" << matrix.leading << "/" << matrix.stride
       << (matrix.transposed ? "t" : "");
  return text.str();
}

}  // namespace

ProductProblem aligned_as(ProductProblem problem, const Operands& operands) {
  problem.alignments = {alignment_of(operands.left), alignment_of(operands.right),
                        alignment_of(operands.result), alignment_of(operands.bias),
                        alignment_of(operands.before_activation)};
  return problem;
}

std::size_t workspace_bytes_for(std::size_t device_bytes) {
  constexpr std::size_t kLargeDevice = 80'000'000'000;
  return device_bytes >= kLargeDevice ? 4 * kSmallWorkspaceBytes : kSmallWorkspaceBytes;
}

ProductProblem without_epilogue(ProductProblem problem) {
  problem.epilogue = Epilogue::kNone;
  return problem;
}

Operands without_epilogue(Operands operands) {
  operands.bias = operands.before_activation = nullptr;
  return operands;
}

int64_t extent_of(const ColumnMajorMatrix& matrix, int64_t batch) {
  return (batch - 1) * matrix.stride + matrix.leading * (matrix.cols - 1) + matrix.rows;
}

int64_t inner_size_of(const ColumnMajorProduct& product) {
  return product.left.transposed ? product.left.rows : product.left.cols;
}

int64_t size_of(ElementType type) {
  if (type == ElementType::kFloat64) return 8;
  return type == ElementType::kFloat32 ? 4 : 2;
}

bool may_be_fused(const ProductProblem& problem) {
  const auto& [matrices, types, epilogue, accumulate, alignments, workspace] = problem;
  if (epilogue == Epilogue::kNone) return true;
  if (matrices.batch != 1 || types.elements == ElementType::kFloat64) return false;
  if (epilogue == Epilogue::kBias || epilogue == Epilogue::kBiasGradient) return true;
  if (types.elements == ElementType::kFloat32 && !types.tf32) return false;
  if (epilogue == Epilogue::kGelu || epilogue == Epilogue::kGeluBias) return true;
  return matrices.result.leading % 8 == 0 && alignments.before_activation >= 16;
}

std::string key_of(const ProductProblem& problem) {
  std::ostringstream text;
  const auto& [left, right, result, batch] = problem.matrices;
  const Alignments& aligned = problem.alignments;
  text << name_of(problem.types.elements) << (problem.types.tf32 ? " tf32" : "") << " to "
       << name_of(problem.types.result) << ", " << to_string(left) << " " << to_string(right) << " "
       << to_string(result) << " batch " << batch << ", " << name_of(problem.epilogue)
       << (problem.accumulate ? ", added" : "") << ", aligned " << aligned.left << " "
       << aligned.right << " " << aligned.result << " " << aligned.bias << " "
       << aligned.before_activation << ", workspace " << (problem.workspace_bytes >> 20);
  return text.str();
}

std::string describe(const ProductProblem& problem) {
  std::ostringstream text;
  const int64_t rows = problem.matrices.result.cols, cols = problem.matrices.result.rows;
  const int64_t inner = inner_size_of(problem.matrices);
  text << "matmul (" << rows << ", " << inner << ") x (" << inner << ", " << cols << ")";
  if (problem.matrices.batch != 1) text << ", batch " << problem.matrices.batch;
  text << ", " << name_of(problem.types.elements);
  if (problem.types.tf32) text << " by TF32";
  if (problem.types.result != problem.types.elements) {
    text << " to " << name_of(problem.types.result);
  }
  if (problem.epilogue != Epilogue::kNone) text << ", " << name_of(problem.epilogue);
  return text.str();
}

}  // namespace ripieno::kernels::cuda
