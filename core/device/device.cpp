#include "ripieno/core/device/device.h"

namespace ripieno {

std::string to_string(Device device) {
  return device.is_cuda() ? "cuda:" + std::to_string(device.index) : "cpu";
}

}  // namespace ripieno
