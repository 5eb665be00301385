#include "ripieno/kernels/cuda/runtime/architectures.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace ripieno::kernels::cuda {

bool runs_on(std::string_view built, int capability) {
  std::istringstream words{std::string(built)};
  for (std::string word; words >> word;) {
    const int of_code = std::atoi(word.c_str());
    if (capability < of_code) continue;
    const bool is_machine_code = word.ends_with("-real");
    if (!is_machine_code || capability / 10 == of_code / 10) return true;
  }
  return false;
}

std::string lowest_capability(std::string_view built) {
  std::istringstream words{std::string(built)};
  int lowest = 1000;
  for (std::string word; words >> word;) lowest = std::min(lowest, std::atoi(word.c_str()));
  return std::to_string(lowest / 10) + "." + std::to_string(lowest % 10);
}

std::string_view built_architectures() { return RIPIENO_CUDA_ARCHITECTURES; }

}  // namespace ripieno::kernels::cuda
