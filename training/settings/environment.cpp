#include "ripieno/training/settings/environment.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/training/settings/help_text.h"

namespace ripieno {
namespace {

struct Variable {
  const char* name;
  const char* values;  // "0|1" for a switch
  const char* help;
};

constexpr std::string_view kSwitch = "0|1";
constexpr const char* kNumber = "NUMBER";

constexpr Variable kVariables[] = {
    {"RIPIENO_NVIDIA_LIBRARIES", "DIR[:DIR...]",
     "folders to search first for cuDNN and NCCL, which are loaded when the program runs"},
    {"RIPIENO_USE_CUDNN", "0|1",
     "0: attention in 16-bit types on a GPU runs in built-in kernels instead of cuDNN (default: "
     "1)"},
    {"RIPIENO_MATMUL_MEASURE", "0|1",
     "0: matrix products on a GPU use the library's own choice of algorithms instead of the "
     "fastest "
     "ones measured (default: 1)"},
    {"RIPIENO_MATMUL_EPILOGUES", "0|1",
     "0: bias, activation and their gradients on a GPU are never fused with matrix products "
     "(default: 1)"},
    {"RIPIENO_CPU_BFLOAT16", "0|1",
     "0: products of bfloat16 matrices on a CPU are computed in float32, also on processors with "
     "instructions for bfloat16 (default: 1)"},
    {"RIPIENO_CACHE_DIR", "DIR",
     "folder of measured algorithms and compiled attention (default: $XDG_CACHE_HOME/ripieno or "
     "~/.cache/ripieno)"},
    {"RIPIENO_SYNC", "0|1",
     "1: wait for each operation on a GPU, so that an error names the operation that failed; slow "
     "(default: 0)"},
    {"RIPIENO_SHARE_GPU", "0|1", "1: several ranks may use the same GPU (default: 0)"},
    {"RIPIENO_CONTAINER_DIGEST", "DIGEST",
     "digest of the container image, recorded in run.json; set it where the container is started"},
    {"RIPIENO_START_TIMEOUT", "SECONDS",
     "time that a rank waits for the other ranks to start (default: 600)"},
    {kUsdPerRankHour, kNumber,
     "price of a rank (of a GPU), from which the report computes what the run cost; set by ripieno "
     "launch --price-per-gpu-hour"},
    {kUsdPerHostHour, kNumber, "price of a host; set by ripieno launch --price-per-host-hour"},
    {kPeakTflops, kNumber,
     "peak rate of a rank in 10^12 FLOP/s for the type of its matrix products (its data sheet's "
     "number without sparsity), from which the report computes the model FLOP utilization"},
};

}  // namespace

std::string environment_listing(int columns) {
  std::string text;
  for (const Variable& variable : kVariables) {
    text += fmt::format("  {}={}\n{}\n", variable.name, variable.values,
                        wrapped(variable.help, columns, 6));
  }
  return text;
}

void check_environment() {
  for (const Variable& variable : kVariables) {
    if (variable.values == std::string_view(kNumber)) positive_number_of_environment(variable.name);
    const char* const text = std::getenv(variable.name);
    const std::string_view value = text ? text : "";
    if (variable.values != kSwitch || value.empty() || value == "0" || value == "1") continue;
    throw ConfigurationError(fmt::format("{} must be 0 or 1, got \"{}\"", variable.name, value));
  }
}

std::optional<double> positive_number_of_environment(const char* variable) {
  const char* const text = std::getenv(variable);
  if (!text || !*text) return std::nullopt;
  const std::string_view value = text;
  double number = 0;
  const auto [end, error] = std::from_chars(text, text + value.size(), number);
  const bool is_number = error == std::errc() && end == text + value.size();
  if (is_number && std::isfinite(number) && number > 0) return number;
  throw ConfigurationError(
      fmt::format("{} must be a positive number, got \"{}\"", variable, value));
}

}  // namespace ripieno
